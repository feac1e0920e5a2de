/** Commands of the real CLI that a test starts, watches and stops: each in a process group, as at a terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { clock } from '../build/host.ts';

/** Longer than any stage takes on a loaded machine; whoever waits fails with what was last seen. */
const LIMIT_MS = 10 * 60_000;

export interface Ended {
  /** The exit code, or the signal that ended it. */
  readonly exit: number | string;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** What it has said on stderr so far. */
  stderr(): string;
  /** Wait for something to become true while the command runs; its end before that is a failure. */
  until(what: string, look: () => boolean): Promise<void>;
  /** A signal to every process of the group, as Ctrl-C at a terminal. */
  signalGroup(signal: NodeJS.Signals): void;
  /** A signal to the process that was started, and to it alone. */
  signalOne(signal: NodeJS.Signals): void;
}

interface StartOptions {
  readonly cwd: string;
  /** The whole environment but for PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

export function startCommand(argv: readonly string[], { cwd, env = {} }: StartOptions): Running {
  const [program = '', ...args] = argv;
  const { PATH = '', HOME = '/' } = process.env;
  const start = clock.monotonicMs();
  const child = spawn(program, args, {
    cwd,
    env: { PATH, HOME, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    said.stdout += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    said.stderr += chunk.toString('utf8');
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ exit: code ?? signal ?? 'nothing', ...said, ms: clock.monotonicMs() - start });
    });
  });
  const limit = setTimeout(() => killGroup(child, 'SIGKILL'), LIMIT_MS);
  const done = ended.finally(() => clearTimeout(limit));
  return {
    pid: child.pid ?? 0,
    ended: done,
    stderr: () => said.stderr,
    async until(what, look) {
      const deadline = clock.monotonicMs() + LIMIT_MS;
      while (!look()) {
        if (child.exitCode !== null || child.signalCode !== null || clock.monotonicMs() > deadline) {
          killGroup(child, 'SIGKILL');
          throw new Error(`waited for ${what}; the command said:\n${said.stderr}${said.stdout}`);
        }
        await clock.pause(20);
      }
    },
    signalGroup: (signal) => killGroup(child, signal),
    signalOne: (signal) => void child.kill(signal),
  };
}

/** Run a command to its end. */
export function runCommand(argv: readonly string[], options: StartOptions): Promise<Ended> {
  return startCommand(argv, options).ended;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    process.kill(-child.pid, signal);
  }
}
