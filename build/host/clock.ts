import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds since some start, never going back: for durations and deadlines. */
export function monotonicMs(): number {
  return performance.now();
}

/** The time of day. Only for reports: nothing that goes into an image may ask for it. */
export function wallClock(): Date {
  return new Date();
}

/** Let time pass between two looks at a condition. Not a way to wait for something to have happened. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : {});
}
