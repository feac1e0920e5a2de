import type { Writable } from 'node:stream';
import { execa } from 'execa';
import { OperatorError } from '../errors.ts';

export interface RunOptions {
  readonly cwd?: string;
  /** Added to a small, fixed environment (PATH, HOME, TMPDIR, C.UTF-8, UTC): nothing else is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** For the program's standard input. */
  readonly input?: string | Uint8Array;
  /** Writes to its standard input, which ends with it. What it throws ends the program, and the call throws it. */
  readonly feed?: (write: Write) => Promise<void>;
  /** Ends the program: SIGTERM, and SIGKILL ten seconds later. */
  readonly signal?: AbortSignal | undefined;
  /** For a program that leaves nothing behind however it ends: SIGKILL at once to it and all that it started. */
  readonly killAtOnce?: boolean;
  /** Milliseconds after which the program is ended and the call fails. */
  readonly timeoutMs?: number;
  /** Called with each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
  /** Give the program our own terminal, for interactive ones. */
  readonly interactive?: boolean;
}

/** Resolves when the program's pipe has taken the bytes: their place may be used again then. */
export type Write = (bytes: Uint8Array) => Promise<void>;

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/**
 * Run a program to its end. Arguments are an array and reach the program as they are: there is no shell.
 *
 * @throws OperatorError `program.missing` when the program is not installed, `command.failed` when it exits
 *   non-zero or is ended by the time limit, `disk.full` when it says so, `interrupted` when the signal ended it.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await tryRun(argv, options);
  if (result.exitCode === 0) return result;
  const output = `${result.stdout}\n${result.stderr}`;
  const evidence = `$ ${pasteable(argv)}\n${lastLines(output, 20)}`;
  if (/no space left on device|\bENOSPC\b|disk quota exceeded/i.test(output)) {
    throw new OperatorError({
      code: 'disk.full',
      exit: 'storage',
      message: `no space left on the disk: ${argv[0]} could not write`,
      evidence,
      fix: 'free some space (clusteros-build cache prune), or choose a larger disk: --output, CLUSTEROS_CACHE, TMPDIR',
    });
  }
  throw new OperatorError({
    code: 'command.failed',
    exit: 'command',
    message: `${argv[0]} failed with exit code ${result.exitCode}`,
    evidence,
  });
}

/** Like {@link run}, but a non-zero exit code is a result and not an error. */
export async function tryRun(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('run() needs a program');
  const child = execa(program, args, {
    reject: false,
    extendEnv: false,
    env: { ...baseEnvironment(), ...options.env },
    stdin: options.interactive
      ? 'inherit'
      : (options.input ?? options.feed) === undefined
        ? 'ignore'
        : 'pipe',
    stdout: options.interactive ? 'inherit' : 'pipe',
    stderr: options.interactive ? 'inherit' : 'pipe',
    stripFinalNewline: false,
    forceKillAfterDelay: 10_000,
    killSignal: options.killAtOnce ? 'SIGKILL' : 'SIGTERM',
    // Leader of a process group, by which all of it can be killed.
    detached: options.killAtOnce === true,
    maxBuffer: MAX_OUTPUT,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
  });
  if (options.onLine !== undefined) {
    const { onLine } = options;
    eachLine(child.stdout, onLine);
    eachLine(child.stderr, onLine);
  }
  const endGroup = () => killGroup(child.pid);
  if (options.killAtOnce) options.signal?.addEventListener('abort', endGroup, { once: true });
  const fed = options.feed && child.stdin ? feed(child.stdin, options.feed, () => child.kill()) : undefined;
  const result = await child;
  child.stdin?.destroy();
  const fault = await fed;
  options.signal?.removeEventListener('abort', endGroup);
  if (result.code === 'ENOENT' || result.code === 'EACCES') {
    throw new OperatorError({
      code: 'program.missing',
      exit: 'missing',
      message: `the program ${program} is not installed`,
      fix: 'run: npx clusteros-build doctor --fix',
      cause: result,
    });
  }
  if (result.isCanceled) throw interrupted(result);
  if (fault !== undefined) throw fault.error;
  if (result.timedOut) {
    throw new OperatorError({
      code: 'command.timeout',
      exit: 'command',
      message: `${program} did not end within ${options.timeoutMs} ms`,
      evidence: `$ ${pasteable(argv)}\n${lastLines(String(result.stderr ?? ''), 20)}`,
      cause: result,
    });
  }
  if (result.isMaxBuffer) throw new Error(`${program} wrote more than ${MAX_OUTPUT} bytes`);
  // A Ctrl-C at the terminal reaches the child too, sometimes before it reaches us.
  if (result.signal === 'SIGINT') throw interrupted(result);
  return {
    stdout: String(result.stdout ?? ''),
    stderr: String(result.stderr ?? ''),
    exitCode: result.exitCode ?? 128,
  };
}

/** @returns what the work threw by itself; that nobody reads any more is told by how the program ended */
async function feed(
  stdin: Writable,
  work: (write: Write) => Promise<void>,
  end: () => void,
): Promise<{ readonly error: unknown } | undefined> {
  // The write that met it is told, too.
  stdin.on('error', () => {});
  const write: Write = (bytes) =>
    new Promise((resolve, reject) => stdin.write(bytes, (error) => (error ? reject(error) : resolve())));
  try {
    await work(write);
    stdin.end();
    return undefined;
  } catch (error) {
    if (stdin.destroyed) return undefined;
    end();
    return { error };
  }
}

/** A running program that outlives the call: QEMU, a server. */
export function start(argv: readonly string[], options: Pick<RunOptions, 'cwd' | 'env' | 'onLine'> = {}) {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('start() needs a program');
  const child = execa(program, args, {
    reject: false,
    extendEnv: false,
    env: { ...baseEnvironment(), ...options.env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    cleanup: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (options.onLine !== undefined) {
    eachLine(child.stdout, options.onLine);
    eachLine(child.stderr, options.onLine);
  }
  return child;
}

/** The full path of a program on PATH, or undefined. Looks into the sbin folders too, as root's PATH does. */
export async function which(program: string): Promise<string | undefined> {
  const found = await tryRun(['/bin/sh', '-c', 'command -v -- "$1"', 'sh', program]);
  return found.exitCode === 0 ? found.stdout.trim() : undefined;
}

/** The error of a stop that was asked for. */
export function interrupted(cause?: unknown): OperatorError {
  return new OperatorError({ code: 'interrupted', exit: 'interrupted', message: 'stopped', cause });
}

/** A command as one would type it, for error messages; names and passwords in addresses are left out. */
export function pasteable(argv: readonly string[]): string {
  return withoutSecrets(
    argv
      .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
      .join(' '),
  );
}

function withoutSecrets(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]+@/gi, '$1***@');
}

/** The leader may be dead already, and the group with it. */
function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Bytes of output that are kept; more is a program gone wild. */
const MAX_OUTPUT = 128 * 2 ** 20;

function baseEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '/', TMPDIR = '/tmp', TERM = 'dumb' } = process.env;
  const path = [...new Set([...PATH.split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'])].join(':');
  return { PATH: path, HOME, TMPDIR, TERM, LC_ALL: 'C.UTF-8', TZ: 'UTC' };
}

function eachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = '';
  stream?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split(/\r?\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
  });
  stream?.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}

function lastLines(text: string, count: number): string {
  return withoutSecrets(text.trim().split('\n').slice(-count).join('\n'));
}
