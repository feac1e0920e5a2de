/** The words of `npm test` and its siblings. Pure. */
import { KINDS, type Kind } from './collect.ts';

interface TestCommand {
  readonly kinds: readonly Kind[];
  readonly files: readonly string[];
  readonly namePatterns: readonly string[];
  /** Depth too: test:all. */
  readonly all: boolean;
  /** Only say what `all` has more. */
  readonly list: boolean;
  /** A file over twice its budget is a failure. */
  readonly budget: boolean;
  /** Write the budget from what is seen. */
  readonly record: boolean;
}

/** What `npm test` runs; the Packer engine's tests build a whole image by Packer in QEMU, which is depth. */
const USUAL: readonly Kind[] = ['unit', 'cluster', 'integration'];
const FLAGS = ['--all', '--list', '--budget', '--record'] as const;

export const USAGE = `usage: run-tests.mjs [unit|cluster|integration|packer|golden] [FILE.test.ts...]
  --all            depth too (npm run test:all)
  --list           what --all has more, with minutes; runs nothing
  --budget         a file that takes more than twice its budget is a failure (npm run test:budget)
  --record         write test/budget.json from this run
  --name PATTERN   only tests whose name matches
`;

/** @returns the word that is not understood, instead of a command */
export function parseCommand(words: readonly string[]): TestCommand | { readonly unknown: string } {
  const files: string[] = [];
  const kinds: Kind[] = [];
  const namePatterns: string[] = [];
  const flags = new Set<string>();
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word.endsWith('.test.ts')) files.push(word);
    else if (word === 'golden') kinds.push('unit');
    else if ((KINDS as readonly string[]).includes(word)) kinds.push(word as Kind);
    else if (word === '--name' && words[at + 1] !== undefined) namePatterns.push(words[++at] ?? '');
    else if ((FLAGS as readonly string[]).includes(word)) flags.add(word);
    else return { unknown: word };
  }
  const all = flags.has('--all');
  return {
    kinds: kinds.length > 0 ? kinds : all ? KINDS : USUAL,
    ...{ files, namePatterns, all, list: flags.has('--list') },
    ...{ budget: flags.has('--budget'), record: flags.has('--record') },
  };
}
