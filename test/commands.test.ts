import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import type { Command, Option } from 'commander';
import { makeProgram as makeAgent } from '../agent/cli/program.ts';
import { makeProgram as makeBuilder } from '../build/cli/program.ts';

/** A command that a document, a template or a message names is one that exists, with the options it has. */

const ROOT = path.join(import.meta.dirname, '..');
const nothing = () => undefined;
const PROGRAMS: Readonly<Record<string, Command>> = {
  'clusteros-build': makeBuilder({
    stdout: nothing,
    stderr: nothing,
    signal: new AbortController().signal,
    exitWith: nothing,
    stopWithin: nothing,
  }),
  // The context is for running a command, which nothing here does.
  'node-agent': makeAgent({} as Parameters<typeof makeAgent>[0], nothing),
};

const optionOf = (command: Command | null, word: string): Option | undefined =>
  command === null
    ? undefined
    : (command.options.find(({ long, short }) => word === long || word === short) ??
      optionOf(command.parent, word));

/**
 * What is wrong with the words behind a program's name; undefined when they are a command line.
 *
 * @param strict the words end where the command line does; else it may go on as a sentence
 */
function faultOf(program: Command, words: readonly string[], strict: boolean): string | undefined {
  let command = program;
  let given = 0;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    // `clusteros-build NAME` stands for all of them.
    if (word === '--' || (word === 'NAME' && command === program)) return undefined;
    if (word.startsWith('-')) {
      const [name = '', value] = word.split('=');
      if (/^(-h|--help|-V|--version)$/.test(name)) continue;
      const option = optionOf(command, name);
      if (option === undefined) return `${command.name()} has no ${name}`;
      // As commander has it: an optional value is the next word, unless that is an option.
      const takesNext = option.required || (option.optional && /^[^-]/.test(words[index + 1] ?? ''));
      if (takesNext && value === undefined) index += 1;
      continue;
    }
    const below = command.commands.find((inner) => inner.name() === word);
    if (below !== undefined && given === 0) command = below;
    else if (command.commands.length > 0 && /^[a-z]/.test(word) && (strict || given === 0))
      return `${command.name()} has no command ${word}`;
    else if (!strict) return undefined;
    else given += 1;
  }
  const { registeredArguments: wanted } = command;
  if (given > wanted.length && !wanted.some((argument) => argument.variadic))
    return `${command.name()} takes ${wanted.length} arguments, not ${given}`;
  return undefined;
}

/** The words of a command line, without what a shell or a writer puts behind it. */
function wordsOf(line: string): string[] {
  // In a table `list\|prune` are two commands; the first one is looked at.
  const bare = line
    .replace(/\\\|[\w-]+/g, '')
    .replace(/\s(#|\||>|&&|;|\(|→).*$/, '')
    .replace(/\[[^\]]*\]/g, ' ')
    .trim();
  return bare
    .split(/\s+/)
    .map((word) => word.replace(/[,.;:)]+$/, ''))
    .filter((word) => !/^(\.\.\.|…|\\)$/.test(word) && word !== '');
}

const CALL = /(?<![\w./-])(?:npx |sudo )*(clusteros-build|node-agent)(?![\w.\-/:])[ \t]+([^\n`'"]*)/g;

/** Every call in a text, each with whether it is code. */
function callsIn(text: string): { program: string; line: string; strict: boolean }[] {
  const blocks = [...text.matchAll(/^```(?:sh|bash|console)?\n([\s\S]*?)^```/gm)].map(
    ([, code = '']) => code,
  );
  const code = blocks.join('\n').replaceAll('\\\n', ' ');
  const rest = text.replace(/^```[\s\S]*?^```/gm, '');
  const spans = [...rest.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  const calls = (source: string) =>
    [...source.matchAll(CALL)].map(([, program = '', line = '']) => ({ program, line, strict: true }));
  return [
    ...calls(code),
    ...spans.flatMap((span) => (/^(npx |sudo )*(clusteros|node-a)/.test(span) ? calls(span) : [])),
  ];
}

function faultsIn(files: readonly string[], find: typeof callsIn): { faults: string[]; seen: number } {
  const calls = files.flatMap((file) =>
    find(readFileSync(path.join(ROOT, file), 'utf8')).map((call) => ({ file, ...call })),
  );
  const faults = calls.flatMap(({ file, program, line, strict }) => {
    const fault = faultOf(PROGRAMS[program] as Command, wordsOf(line), strict);
    return fault === undefined ? [] : [`${file}: ${program} ${line}: ${fault}`];
  });
  return { faults, seen: calls.length };
}

test('every command line of the documents is one of the real programs', () => {
  const files = globSync(['README.md', 'CONTRIBUTING.md', 'docs/**/*.md', 'test/**/README.md'], {
    cwd: ROOT,
  });
  const { faults, seen } = faultsIn(files, callsIn);
  assert.ok(seen > 60, `${seen} command lines were found`);
  assert.deepEqual(faults, []);
});

test('every command that templates, examples, help texts and messages name exists', () => {
  const prose = (text: string) =>
    [...text.matchAll(CALL)]
      .map(([, program = '', line = '']) => ({ program, line, strict: false }))
      .filter(({ line }) => /^(-|[a-z])/.test(line));
  const templates = globSync(['firstboot/templates/*', 'examples/**/*'], { cwd: ROOT }).filter((file) =>
    /\.\w+$/.test(file),
  );
  const { faults, seen } = faultsIn(templates, prose);
  assert.ok(seen > 5, `${seen} were found`);
  assert.deepEqual(faults, []);
  // In sources a call is a whole string or stands behind npx or sudo; a sentence may be about the program.
  const sources = globSync(
    ['build/**/*.ts', 'agent/**/*.ts', 'firstboot/*.ts', 'image-layers/*.ts', 'packer/**/*.ts'],
    {
      cwd: ROOT,
      exclude: ['**/*.test.ts', '**/testing/**'],
    },
  );
  const told = (text: string) =>
    [...text.matchAll(/(?:npx |sudo |run:? )(clusteros-build|node-agent) ([^\n`'"$]*)/g)].map(
      ([, program = '', line = '']) => ({ program, line, strict: false }),
    );
  const messages = faultsIn(sources, told);
  assert.ok(messages.seen > 60, `${messages.seen} were found`);
  assert.deepEqual(messages.faults, []);
});

test('a command or an option that does not exist is found', () => {
  const builder = PROGRAMS['clusteros-build'] as Command;
  assert.match(faultOf(builder, ['key'], true) ?? '', /no command key/);
  assert.match(faultOf(builder, ['seed', '--expcet', '3'], true) ?? '', /no --expcet/);
  assert.match(faultOf(builder, ['plan', 'more'], true) ?? '', /takes 0 arguments/);
  assert.equal(
    faultOf(builder, ['--definition', 'x.yaml', 'seed', '--format', 'fat', '--json'], true),
    undefined,
  );
});
