/** One press of Ctrl-C may reach us twice: from the terminal, and passed on by npx or the launcher. */
const ECHO_MS = 400;

export type SignalVerdict = 'stop' | 'echo' | 'end-now';

/** What a SIGINT or SIGTERM means, by when the first one came. Times are monotonic milliseconds. */
export function judgeSignal(firstMs: number | undefined, nowMs: number): SignalVerdict {
  if (firstMs === undefined) return 'stop';
  return nowMs - firstMs < ECHO_MS ? 'echo' : 'end-now';
}

/**
 * A signal for commands that is aborted by the first Ctrl-C (or SIGTERM, SIGHUP). The second ends the process at
 * once, with what was half-made left to the next run.
 */
export function listenForStop(
  now: () => number,
  note: (line: string) => void,
): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const onSignal = () => {
    const verdict = judgeSignal(firstMs, now());
    if (verdict === 'echo') return;
    if (verdict === 'end-now') process.exit(130);
    firstMs = now();
    note('clusteros: stopping; Ctrl-C again to end at once');
    controller.abort();
  };
  for (const name of STOP_SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    end: () => {
      for (const name of STOP_SIGNALS) process.off(name, onSignal);
    },
  };
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
