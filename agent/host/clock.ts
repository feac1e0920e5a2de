import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds since some start, never going back: for durations and deadlines. */
export function monotonicMs(): number {
  return performance.now();
}

/** The time of day, for reports. A node without a battery clock may be decades off until it has synchronised. */
export function wallClock(): Date {
  return new Date();
}

/** Let time pass between two looks at the inputs; an aborted signal ends it at once, without an error. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    if (!signal?.aborted) throw cause;
  }
}

/** Call again and again until the returned function is called. Does not keep the process alive. */
export function every(ms: number, call: () => void): () => void {
  const timer = setInterval(call, ms);
  timer.unref();
  return () => clearInterval(timer);
}
