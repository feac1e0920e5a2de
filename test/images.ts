/** The images that integration tests boot: built once by the real command, and found again by later tests. */
import * as path from 'node:path';
import { run } from '../build/host.ts';
import type { BaseName } from '../image-layers/layer.ts';

export const ROOT = path.join(import.meta.dirname, '..');
const CLI = path.join(ROOT, 'bin', 'clusteros-build.mjs');
/** A cold build takes a minute; a machine under load several. */
const BUILD_LIMIT_MS = 15 * 60_000;

export interface TestImage {
  readonly image: string;
  readonly folder: string;
  readonly sha256: string;
}

export interface BuildAt {
  readonly output: string;
  /** Folder that the command runs in: where it looks for cluster.yaml. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** Build with `clusteros-build image --json` and return what it says. */
export async function buildWithCli(at: BuildAt): Promise<TestImage> {
  const { stdout } = await run(
    [process.execPath, CLI, 'image', '--json', '--output', at.output, ...(at.args ?? [])],
    { cwd: at.cwd ?? ROOT, env: { ...cacheEnvironment(), ...at.env }, timeoutMs: BUILD_LIMIT_MS },
  );
  return JSON.parse(stdout) as TestImage;
}

/** The image of a base, kept in .cache/ of the clone over test runs. */
export function testImage(base: BaseName): Promise<TestImage> {
  return buildWithCli({ output: path.join(ROOT, '.cache', 'test-images'), args: ['--base', base] });
}

/** The command line of `clusteros-build`, to be started in a folder of the test's choice. */
export function cli(...args: readonly string[]): string[] {
  return [process.execPath, CLI, ...args];
}

/** The operator's own cache settings reach the commands under test; nothing else of the environment does. */
export function cacheEnvironment(): Record<string, string> {
  const { CLUSTEROS_CACHE, XDG_CACHE_HOME } = process.env;
  return {
    ...(CLUSTEROS_CACHE === undefined ? {} : { CLUSTEROS_CACHE }),
    ...(XDG_CACHE_HOME === undefined ? {} : { XDG_CACHE_HOME }),
  };
}
