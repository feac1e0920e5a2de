import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { clock } from '../../../build/host.ts';
import type { ExecOptions, ExecResult } from '../machines.ts';
import { childrenOf } from './processes.ts';

/** A program of Node takes half a minute to start where forty others want the processor. */
const USUAL_LIMIT_MS = 120_000;
const LAST_WORDS_MS = 300;
/** More is a program gone wild. */
const MAX_OUTPUT = 64 * 2 ** 20;

export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

type Space = '--mount' | '--net' | '--pid' | '--uts';

/** The command that runs another one in the namespaces of a process, by its id as seen from here. */
export function entering(pid: number, spaces: readonly Space[], argv: readonly string[]): string[] {
  return ['nsenter', `--target=${pid}`, ...spaces, '--', ...argv];
}

export interface RunOptions extends ExecOptions {
  /** The whole environment but for PATH. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Run a program to its end.
 *
 * @throws Error when it cannot be started, or has not ended in time (it is killed then, and its child, which is
 *   the program itself behind nsenter)
 */
export function runToEnd(argv: readonly string[], options: RunOptions = {}): Promise<ExecResult> {
  const { timeoutMs = USUAL_LIMIT_MS, input, environment = {} } = options;
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { PATH, ...environment }, stdio: 'pipe' });
    const out = collect(child, 'stdout');
    const err = collect(child, 'stderr');
    const limit = setTimeout(() => {
      killWithChildren(child.pid ?? 0);
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new Error(`not ended within ${timeoutMs} ms: ${argv.join(' ')}\n${err()}${out()}`.trimEnd()));
    }, timeoutMs);
    child.on('error', (cause) => {
      clearTimeout(limit);
      reject(new Error(`cannot run ${program}`, { cause }));
    });
    // What it leaves running may keep the pipes open: its own last words have come by then.
    child.on('exit', () => {
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, LAST_WORDS_MS).unref();
    });
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      const exit = code ?? 128 + (signal ? constants.signals[signal] : 0);
      resolve({ code: exit, stdout: out(), stderr: err() });
    });
    // A program that does not read its input closes the pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Its stdout. @throws Error with the command and all that it said when the exit code is not 0 */
export async function runWell(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(argv, options);
  if (code === 0) return stdout;
  throw new Error(`exit code ${code}: ${argv.join(' ')}\n${stderr}${stdout}`.trimEnd());
}

/** A process that holds namespaces open. */
export interface Holder {
  /** The first process of the new pid namespace, as seen from here. */
  readonly init: number;
  /** Settles when the namespace's last process is gone. */
  readonly ended: Promise<void>;
  /** End it in order: it sees the end of its input. */
  close(): void;
}

/**
 * Start a command that makes namespaces and says `ready` once it holds them.
 *
 * @param depth how many children down from the started process the holder is: 1 for unshare, 2 for nsenter and
 *   unshare
 * @throws Error with what it said when it ends, or is not ready within 20 s
 */
export async function startHolder(argv: readonly string[], depth: number): Promise<Holder> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { env: { PATH }, stdio: 'pipe' });
  child.stdin.on('error', () => {});
  const err = collect(child, 'stderr');
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const patience = new AbortController();
  const outcome = await Promise.race([
    new Promise<'ready'>((resolve) => child.stdout.once('data', () => resolve('ready'))),
    ended.then(() => 'ended' as const),
    clock.pause(20_000, patience.signal).then(
      () => 'silent' as const,
      () => 'ready' as const,
    ),
  ]);
  patience.abort();
  let init = child.pid ?? 0;
  for (let level = 0; level < depth && outcome === 'ready'; level++) init = childrenOf(init)[0] ?? 0;
  if (outcome !== 'ready' || init === 0) {
    killWithChildren(child.pid ?? 0);
    throw new Error(`no namespaces (${outcome}): ${argv.join(' ')}\n${err()}`.trimEnd());
  }
  return { init, ended, close: () => child.stdin.end() };
}

function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  child[stream]?.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= MAX_OUTPUT) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function killWithChildren(pid: number): void {
  if (pid === 0) return;
  for (const each of [...childrenOf(pid), pid]) signal(each, 'SIGKILL');
}

/** @returns false when there is no such process any more */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
