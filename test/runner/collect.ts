/** Which files of tests there are, what each of them needs, and which of them may share a process. Pure but for reading. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';

export const KINDS = ['unit', 'cluster', 'integration', 'packer'] as const;
export type Kind = (typeof KINDS)[number];

const PATTERNS: Readonly<Record<Kind, readonly string[]>> = {
  unit: [
    '{bin,build,packer,image-layers,firstboot,agent,settings,qemu}/**/*.test.ts',
    'test/*.test.ts',
    'test/runner/!(images).test.ts',
  ],
  cluster: ['test/integration/cluster/*.test.ts'],
  integration: ['test/integration/*.test.ts'],
  packer: ['test/packer/*.test.ts'],
};

/** What a file keeps busy while it runs, on average. */
export interface Needs {
  /** Processors. */
  readonly cpu: number;
  readonly memoryMiB: number;
  /** It boots or inspects the images of the run, which are built once, first. */
  readonly images: boolean;
}

export interface TestFile extends Needs {
  /** Relative to the clone. */
  readonly file: string;
  readonly kind: Kind;
  /** Neither processes nor network nor files of its own: it may share a process with others like it. */
  readonly quiet: boolean;
}

const USUAL: Needs = { cpu: 1, memoryMiB: 400, images: false };
const NEEDS = /^\/\/ needs: (.*)$/m;

/**
 * What a file says that it needs, in a line of its own: `// needs: images, cpu 1.5, memory 3 GiB`. What it leaves out
 * is one processor, 400 MiB and no image.
 *
 * @throws Error naming the file, for a word that is not understood
 */
export function needsIn(file: string, text: string): Needs {
  const line = NEEDS.exec(text)?.[1];
  if (line === undefined) return USUAL;
  let needs = USUAL;
  for (const word of line.split(',').map((each) => each.trim())) {
    const [, cpu] = /^cpu (\d+(?:\.\d+)?)$/.exec(word) ?? [];
    const [, memory, unit] = /^memory (\d+(?:\.\d+)?) (MiB|GiB)$/.exec(word) ?? [];
    if (word === 'images') needs = { ...needs, images: true };
    else if (cpu !== undefined) needs = { ...needs, cpu: Number(cpu) };
    else if (memory !== undefined)
      needs = { ...needs, memoryMiB: Number(memory) * (unit === 'GiB' ? 1024 : 1) };
    else throw new Error(`${file}: "needs: ${word}" is not understood; write images, cpu N or memory N GiB`);
  }
  return needs;
}

const TOUCHES =
  /from '(node:(child_process|cluster|dgram|dns|http|https|net|tls|worker_threads|fs\/promises)|undici|execa|multicast-dns)'|\/host(\.ts|\/[\w-]+\.ts)'|process\.(env|chdir|on|once|exit)\b|mock\.timers|mkdtemp|writeFile|^(before|after)(Each)?\(/m;
const LOCAL = /\bfrom '(\.[^']+)'/g;

/** Whether a file and the test tools that it imports touch nothing outside its own variables. */
function isQuiet(root: string, file: string): boolean {
  const text = readFileSync(path.join(root, file), 'utf8');
  if (TOUCHES.test(text)) return false;
  const tools = [...text.matchAll(LOCAL)]
    .map(([, from = '']) => path.join(path.dirname(file), from))
    .filter((tool) => /(^|\/)(test|testing)\//.test(tool) && existsSync(path.join(root, tool)));
  return tools.every((tool) => isQuiet(root, tool));
}

/** Every file of these kinds, by name. */
export function collect(root: string, kinds: readonly Kind[]): TestFile[] {
  return kinds.flatMap((kind) =>
    [...new Set(PATTERNS[kind].flatMap((pattern) => globSync(pattern, { cwd: root })))]
      .sort()
      .map((file) => describeFile(root, file, kind)),
  );
}

/** Files that somebody named, whatever their kind. */
export function collectNamed(root: string, files: readonly string[]): TestFile[] {
  const known = new Map(collect(root, KINDS).map((each) => [each.file, each]));
  return files.map((name) => {
    const file = path.relative(root, path.resolve(name));
    return known.get(file) ?? describeFile(root, file, 'unit');
  });
}

function describeFile(root: string, file: string, kind: Kind): TestFile {
  const needs = needsIn(file, readFileSync(path.join(root, file), 'utf8'));
  return { file, kind, ...needs, quiet: kind === 'unit' && isQuiet(root, file) };
}
