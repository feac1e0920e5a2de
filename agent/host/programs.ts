import { spawn } from 'node:child_process';
import { AgentError } from '../errors.ts';

type Argv = readonly [string, ...string[]];

export interface RunOptions {
  /** What the program reads; it gets an empty input otherwise. Secrets belong here, never into `argv`. */
  readonly input?: string | Uint8Array | undefined;
  /** After which it is killed; 10 s when absent. */
  readonly timeoutMs?: number | undefined;
  /** Bytes kept of stdout and of stderr each; more is an error. 1 MiB when absent. */
  readonly outputBytes?: number | undefined;
  /** Added to the little that every program gets: PATH and LC_ALL=C. Nothing else is inherited. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Kills the program when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

export interface Ended {
  /** Exit code, or 128 + the signal's number as a shell has it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin';

/**
 * Run a small program to its end and return what it said; an exit code other than 0 is not an error here.
 *
 * @throws AgentError `program.missing`, `program.timeout`, `program.output`; the signal's reason when aborted
 */
export function run(argv: Argv, options: RunOptions = {}): Promise<Ended> {
  const { input = '', timeoutMs = 10_000, outputBytes = 1024 * 1024, environment = {}, signal } = options;
  const [program, ...args] = argv;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const child = spawn(program, args, {
      env: { PATH, LC_ALL: 'C', ...environment },
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stdout = collector();
    const stderr = collector();
    let failure: unknown;
    const kill = (why: unknown) => {
      failure ??= why;
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open: without this the program's end would never be told.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const onAbort = () => kill(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const limit = setTimeout(() => kill(timedOut(argv, timeoutMs, stderr.text())), timeoutMs);
    for (const [stream, part] of [
      [child.stdout, stdout],
      [child.stderr, stderr],
    ] as const) {
      stream.on('data', (chunk: Buffer) => {
        if (part.add(chunk) > outputBytes) kill(tooMuch(argv, outputBytes));
      });
    }
    const end = (result: () => void) => {
      clearTimeout(limit);
      signal?.removeEventListener('abort', onAbort);
      result();
    };
    child.once('error', (cause) => end(() => reject(notStarted(program, cause))));
    child.once('close', (code, ended) =>
      end(() => {
        if (failure !== undefined) return reject(failure);
        resolve({ code: code ?? 128 + numberOf(ended), stdout: stdout.text(), stderr: stderr.text() });
      }),
    );
    // A program that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/**
 * The same for a program that must succeed.
 *
 * @returns its stdout
 * @throws AgentError as {@link run}, and `program.failed` with the end of stderr as evidence
 */
export async function runOk(argv: Argv, options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code === 0) return stdout;
  throw new AgentError({
    code: 'program.failed',
    exit: 'internal',
    message: `${quoted(argv)} ended with ${code}`,
    evidence: tail(stderr || stdout),
  });
}

/** Is this the error of a program that is not installed? */
export function isMissing(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'program.missing';
}

function collector() {
  const chunks: Buffer[] = [];
  let length = 0;
  return {
    add(chunk: Buffer): number {
      chunks.push(chunk);
      length += chunk.length;
      return length;
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  };
}

function numberOf(signal: NodeJS.Signals | null): number {
  const numbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
  return signal === null ? 0 : (numbers[signal] ?? 0);
}

function notStarted(program: string, cause: Error): AgentError {
  const { code: errno } = cause as NodeJS.ErrnoException;
  // One that nobody may execute is no program: half installed, or hidden by a container.
  const missing = errno === 'ENOENT' || errno === 'EACCES';
  return new AgentError({
    code: missing ? 'program.missing' : 'program.start',
    exit: 'internal',
    message: missing ? `${program} is not installed` : `${program} could not be started: ${errno}`,
    fix: missing ? `install the package that holds ${program}` : undefined,
    cause,
  });
}

function timedOut(argv: Argv, timeoutMs: number, stderr: string): AgentError {
  return new AgentError({
    code: 'program.timeout',
    exit: 'internal',
    message: `${quoted(argv)} had not ended after ${timeoutMs / 1000} s`,
    evidence: tail(stderr) || undefined,
  });
}

function tooMuch(argv: Argv, limit: number): AgentError {
  return new AgentError({
    code: 'program.output',
    exit: 'internal',
    message: `${quoted(argv)} wrote more than ${limit} bytes`,
  });
}

/** Ready to paste into a shell. */
function quoted(argv: Argv): string {
  return argv
    .map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

function tail(text: string): string {
  return text.trimEnd().split('\n').slice(-10).join('\n');
}
