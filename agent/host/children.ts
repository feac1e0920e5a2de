import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';

/** A program that goes on when we end, known by its process id and its time of start. */
export interface Child {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with it a number that was given to another process is told apart. */
  readonly startTime: string;
}

interface ChildOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** Output is appended to it. */
  readonly log: string;
  /** Called when it ends while we still run, never before {@link startChild} has returned. */
  readonly onEnd: (pid: number, exit: { code?: number | undefined; signal?: string | undefined }) => void;
}

/**
 * Start a program in a session of its own.
 *
 * @returns undefined when it could not be started
 */
export function startChild(argv: readonly [string, ...string[]], options: ChildOptions): Child | undefined {
  const [program, ...args] = argv;
  const log = openSync(options.log, 'a', 0o600);
  try {
    const child = spawn(program, args, {
      env: options.environment,
      stdio: ['ignore', log, log],
      cwd: '/',
      detached: true,
    });
    child.unref();
    const { pid } = child;
    child.once('error', () => {});
    if (pid === undefined) return undefined;
    child.once('exit', (code, signal) =>
      options.onEnd(pid, { code: code ?? undefined, signal: signal ?? undefined }),
    );
    return identify(pid) ?? { pid, startTime: '' };
  } finally {
    closeSync(log);
  }
}

/** The process that has this number now, if any. */
export function identify(pid: number): Child | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Is it still that very process? A zombie is none. */
export function isRunning({ pid, startTime }: Child): boolean {
  return startTimeOf(pid) === startTime;
}

/** @returns false when there was nobody to send it to */
export function sendSignal(child: Child, signal: 'SIGTERM' | 'SIGKILL' | 'SIGHUP'): boolean {
  if (!isRunning(child)) return false;
  try {
    process.kill(child.pid, signal);
    return true;
  } catch {
    // It ended in between.
    return false;
  }
}

/** A file that nobody may execute is no program either: half installed, or hidden by a container. */
export function programExists(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** proc(5): the name may hold blanks and brackets, so what counts stands after the last bracket. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
