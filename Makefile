# The names that operators know. Each one calls the npm script (or command) that does the work.
.DEFAULT_GOAL := help
.PHONY: help deps node test test-integration image fmt lint clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\): ##/\1\t/p' Makefile | expand -t 20

deps: ## Install the locked npm packages and the host programs
	npm run --silent setup

node: ## Build the node agent into dist/
	npm run --silent agent

test: ## Run every test
	npm test --silent

test-integration: ## Run the tests that build images and boot machines
	npm run --silent test:integration

image: ## Build the image of the definition (or the default one)
	npm run --silent image

fmt: ## Format the code and mend what can be mended
	npm run --silent fmt

lint: ## Check types, style and layout
	npm run --silent lint

clean: ## Remove dist/ (the cache: npx clusteros-build cache prune)
	npm run --silent clean
