import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { clock } from '../../../build/host.ts';
import type { LoggedLine } from '../machines.ts';
import { eventually } from '../waits.ts';
import { childrenOf } from './processes.ts';
import { entering, PATH, signal } from './programs.ts';

/** In memory, for the transcript; the file has all. */
const LINES_KEPT = 2_000;
const STOP_LIMIT_MS = 15_000;

export interface AgentRun {
  /** Process id of the agent as the test sees it. */
  readonly pid: number;
  /** `code 0`, `SIGKILL`; undefined while it runs. */
  exit(): string | undefined;
  /** nsenter stops together with an agent that is suspended: have both go on. */
  wake(): void;
  /** SIGTERM and wait. @throws Error when it still runs after 15 s */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

interface AgentLog {
  readonly lines: readonly LoggedLine[];
  add(text: string): void;
}

/** What the agent of one host says over all of its runs, with the time at which it was heard. */
export function createAgentLog(file: string): AgentLog {
  const lines: LoggedLine[] = [];
  return {
    lines,
    add(text) {
      const atMs = clock.wallClock().getTime();
      lines.push({ atMs, text });
      if (lines.length > LINES_KEPT) lines.splice(0, lines.length - LINES_KEPT);
      try {
        appendFileSync(file, `${new Date(atMs).toISOString()} ${text}\n`);
      } catch (error) {
        // The rig and its folder may be gone when the last words of an agent arrive.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    },
  };
}

/** Start `argv` in all namespaces of a host. */
export async function startAgentProcess(
  init: number,
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  log: AgentLog,
): Promise<AgentRun> {
  const spaces = ['--mount', '--uts', '--net', '--pid'] as const;
  const [program = '', ...args] = entering(init, spaces, argv);
  const child = spawn(program, args, {
    env: { PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  eachLine(child, log);
  let exit: string | undefined;
  const ended = new Promise<void>((resolve) => {
    // Not `close`: an engine that lives on may have inherited the pipes.
    child.once('exit', (code, name) => {
      exit = name ?? `code ${code}`;
      log.add(`[test] the agent ended with ${exit}`);
      resolve();
    });
    child.once('error', (error) => {
      exit = error.message;
      resolve();
    });
  });
  const pid = await eventually(
    'the agent to be started',
    () => exit !== undefined || childrenOf(child.pid ?? 0)[0],
    { deadlineMs: 10_000, everyMs: 2 },
  );
  if (pid === true) throw new Error(`the agent did not start: ${exit}`);
  const wake = () => {
    if (exit === undefined && child.pid !== undefined) signal(child.pid, 'SIGCONT');
  };
  return {
    pid,
    exit: () => exit,
    wake,
    async stop() {
      signal(pid, 'SIGTERM');
      const patience = new AbortController();
      await Promise.race([ended, clock.pause(STOP_LIMIT_MS, patience.signal).catch(() => {})]);
      patience.abort();
      if (exit === undefined) throw new Error(`the agent still runs ${STOP_LIMIT_MS} ms after SIGTERM`);
    },
    async kill() {
      if (exit === undefined) signal(pid, 'SIGKILL');
      // A suspended nsenter would not collect it, and its namespaces would never end.
      const waking = setInterval(wake, 50);
      await ended;
      clearInterval(waking);
    },
  };
}

function eachLine(child: ChildProcess, log: AgentLog): void {
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream?.setEncoding('utf8');
    stream?.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) log.add(line);
    });
  }
}
