/** The images that integration tests boot: built once by the real command, and found again by later tests. */
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import * as path from 'node:path';
import { cacheFolderOf } from '../build/cache.ts';
import type { Target } from '../build/definition/plan.ts';
import { run } from '../build/host.ts';
import type { BaseName } from '../image-layers/layer.ts';

export const ROOT = path.join(import.meta.dirname, '..');
/** Where the images of test runs are kept. */
export const TEST_IMAGES = path.join(ROOT, '.cache', 'test-images');
const CLI = path.join(ROOT, 'bin', 'clusteros-build.mjs');
/** A cold build takes a minute; a machine under load several. */
const BUILD_LIMIT_MS = 15 * 60_000;

export interface TestImage {
  readonly image: string;
  readonly folder: string;
  readonly sha256: string;
}

/** What tests read of the last event: a result has all but `error`. */
interface LastEvent extends TestImage {
  readonly event: 'result' | 'error';
  readonly upToDate: boolean;
  readonly packages: { readonly cached: boolean };
  readonly artifacts: readonly (TestImage & { readonly target: Target })[];
  readonly error: { readonly code: string; readonly exit: number; readonly fix: string };
}

interface BuildAt {
  readonly output: string;
  /** Folder that the command runs in: where it looks for cluster.yaml. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Changes the command line: see {@link ordinaryUser}. */
  readonly as?: (argv: readonly string[]) => string[];
}

/** Build with `clusteros-build image --json` and return what it says. */
export async function buildWithCli(at: BuildAt): Promise<LastEvent> {
  const argv = cli('image', '--json', '--output', at.output, ...(at.args ?? []));
  const { stdout } = await run(at.as?.(argv) ?? argv, {
    cwd: at.cwd ?? ROOT,
    env: { ...cacheEnvironment(), ...at.env },
    timeoutMs: BUILD_LIMIT_MS,
  });
  return lastEvent(stdout);
}

/**
 * For root: the same command as an ordinary user of a mount namespace.
 *
 * @param folder becomes the user's
 */
export function ordinaryUser(folder: string): (argv: readonly string[]) => string[] {
  const script = path.join(ROOT, 'test', 'ordinary-user.sh');
  const clone = path.join(folder, 'clone');
  return (argv) => [script, folder, ...argv.map((word) => word.replace(ROOT, clone))];
}

/** The last event of `image --json`: the result, or the error. */
export function lastEvent(stdout: string): LastEvent {
  const events = eventsIn(stdout);
  const last = events.at(-1);
  if (last?.event !== 'result' && last?.event !== 'error')
    throw new Error(`neither result nor error:\n${stdout}`);
  return last as unknown as LastEvent;
}

/** Every line must be an event. */
export function eventsIn(stdout: string): { readonly event: string; readonly [key: string]: unknown }[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** An older release has the same layers; as a container its systemd and its agent start in seconds. */
export const olderImage = (): Promise<TestImage> => testImage('debian-12', 'docker');

/** The image of a base, kept in .cache/ of the clone over test runs. */
export function testImage(base: BaseName, target: Target = 'qcow2'): Promise<TestImage> {
  return buildWithCli({
    output: TEST_IMAGES,
    args: ['--base', base, '--target', target],
  });
}

/**
 * A new cache for whoever does every step again. Only the archive files come along, so that the mirror is spared; what
 * another build is about to add to them does not.
 */
export function ownCache(folder: string): string {
  const cache = path.join(folder, 'cache');
  mkdirSync(cache, { recursive: true });
  const debs = path.join(cacheFolderOf(), 'debs');
  const filter = (from: string) => !/^\.|\.tmp$/.test(path.basename(from));
  if (existsSync(debs)) cpSync(debs, path.join(cache, 'debs'), { recursive: true, filter });
  return cache;
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
