/** Milliseconds since some start, never going back: for durations and deadlines. */
export function monotonicMs(): number {
  return performance.now();
}

/** The time of day, for reports. A node without a battery clock may be decades off until it has synchronised. */
export function wallClock(): Date {
  return new Date();
}

/**
 * Let time pass between two looks at the inputs; an aborted signal ends it at once, without an error. Not by
 * node:timers/promises, whose end by a signal is an exception with a stack: there are many each second.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** Call once, later, unless the returned function is called before. Keeps the process alive until then. */
export function after(ms: number, call: () => void): () => void {
  const timer = setTimeout(call, ms);
  return () => clearTimeout(timer);
}

/** Call again and again until the returned function is called. Does not keep the process alive. */
export function every(ms: number, call: () => void): () => void {
  const timer = setInterval(call, ms);
  timer.unref();
  return () => clearInterval(timer);
}
