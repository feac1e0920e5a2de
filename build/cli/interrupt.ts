/** One press of Ctrl-C may reach us twice: from the terminal, and passed on by npx or the launcher. */
const ECHO_MS = 400;

type SignalVerdict = 'stop' | 'echo' | 'end-now';

/** What a SIGINT or SIGTERM means, by when the first one came. Times are monotonic milliseconds. */
export function judgeSignal(firstMs: number | undefined, nowMs: number): SignalVerdict {
  if (firstMs === undefined) return 'stop';
  return nowMs - firstMs < ECHO_MS ? 'echo' : 'end-now';
}

/** How long a command may take to stop and clean up, unless it asks for longer. */
const STOP_LIMIT_MS = 5_000;

export interface Stop {
  readonly signal: AbortSignal;
  /** For commands that have more to end than a program of theirs, such as virtual machines. */
  readonly allow: (ms: number) => void;
  readonly end: () => void;
}

/**
 * A signal for commands that is aborted by the first Ctrl-C (or SIGTERM, SIGHUP). The second ends the process at
 * once, with what was half-made left to the next run; so does a command that has not ended in its time.
 */
export function listenForStop(now: () => number, note: (line: string) => void): Stop {
  const controller = new AbortController();
  let firstMs: number | undefined;
  let limitMs = STOP_LIMIT_MS;
  let timer: NodeJS.Timeout | undefined;
  const onSignal = () => {
    const verdict = judgeSignal(firstMs, now());
    if (verdict === 'echo') return;
    if (verdict === 'end-now') endNow();
    firstMs = now();
    note('clusteros: stopping; Ctrl-C again to end at once');
    timer = setTimeout(() => {
      note(`clusteros: not stopped within ${limitMs / 1000} s: ended`);
      endNow();
    }, limitMs);
    timer.unref();
    controller.abort();
  };
  for (const name of STOP_SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    allow: (ms) => {
      limitMs = ms;
    },
    end: () => {
      // The timer stays: work that nobody waits for any more may keep the process from its end.
      for (const name of STOP_SIGNALS) process.off(name, onSignal);
    },
  };
}

/**
 * The process's end by becoming another program that ends: process.exit() waits for threads of Node that are inside a
 * system call, such as a read of a pipe that nobody writes to.
 */
function endNow(): never {
  const node = process.execPath;
  process.execve?.(node, [node, '--eval', 'process.exit(130)'], {});
  process.exit(130);
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A build ends its programs and removes gigabytes that are half made. */
export const BUILD_STOP_MS = 120_000;
