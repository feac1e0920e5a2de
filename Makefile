# The names that operators know. Each one calls the npm script (or command) that does the work.
.DEFAULT_GOAL := help
.PHONY: help deps node test test-cluster test-coverage test-integration test-all image release fmt lint clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\): ##/\1\t/p' Makefile | expand -t 20

deps: ## Install the locked npm packages and the host programs
	npm run --silent setup

node: ## Build the node agent into dist/
	npm run --silent agent

test: ## Run the tests that CI runs
	npm test --silent

test-cluster: ## Run the cluster scenarios in network namespaces (root)
	npm run --silent test:cluster

test-coverage: ## Run the unit tests and show which lines they reach: a total, and pages in .cache/coverage
	npm run --silent test:coverage

test-all: ## Run every test there is, which takes hours without KVM
	npm run --silent test:all

test-integration: ## Run the tests that build images and boot machines
	npm run --silent test:integration

image: ## Build the image of the definition (or the default one)
	npm run --silent image

release: ## Build all four targets and verify them; KEY=release.key signs them
	node bin/clusteros-build.mjs image --target all $(if $(KEY),--sign-key $(KEY))
	set -e; for folder in dist/*/; do node bin/clusteros-build.mjs verify "$$folder"; done

fmt: ## Format the code and mend what can be mended
	npm run --silent fmt

lint: ## Check types, style and layout
	npm run --silent lint

clean: ## Remove dist/ (the cache: npx clusteros-build cache prune)
	npm run --silent clean
