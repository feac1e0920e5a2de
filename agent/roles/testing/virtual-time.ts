import type { Time } from '../deadline.ts';

/** A world whose time passes only when nothing is left to do: hours in a second, the same in each run. */
export interface VirtualTime {
  readonly nowMs: () => number;
  /** @param host when it sleeps, the call waits until it wakes; when it is gone, it is never made */
  after(ms: number, call: () => void, host?: Host): void;
  /** @param each called after every instant at which something happened */
  run(untilMs: number, each: () => void): Promise<void>;
  /** The time as a host with a clock of this rate sees it. */
  on(host: Host, rate: number): Time;
}

export interface Host {
  asleep: boolean;
  gone: boolean;
  /** What became due while it slept. */
  readonly overdue: (() => void)[];
}

export function newHost(): Host {
  return { asleep: false, gone: false, overdue: [] };
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly call: () => void;
  readonly host: Host | undefined;
}

export function createVirtualTime(): VirtualTime {
  const events: Event[] = [];
  let nowMs = 0;
  let order = 0;
  let atOnce = 0;

  const push = (event: Event) => {
    // A binary search keeps the list sorted; it holds some dozens.
    let [low, high] = [0, events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = events[middle] as Event;
      if (other.atMs < event.atMs || (other.atMs === event.atMs && other.order < event.order))
        low = middle + 1;
      else high = middle;
    }
    events.splice(low, 0, event);
  };

  const after: VirtualTime['after'] = (ms, call, host) => {
    order += 1;
    push({ atMs: nowMs + Math.max(0, ms), order, call, host });
  };

  return {
    nowMs: () => nowMs,
    after,
    async run(untilMs, each) {
      await settle();
      for (;;) {
        const [next] = events;
        if (next === undefined || next.atMs > untilMs) break;
        events.shift();
        atOnce = next.atMs === nowMs ? atOnce + 1 : 0;
        if (atOnce > 100_000) throw new Error(`time stands still at ${nowMs} ms`);
        nowMs = next.atMs;
        if (next.host?.gone) continue;
        if (next.host?.asleep) {
          next.host.overdue.push(next.call);
          continue;
        }
        next.call();
        await settle();
        // Only once all of one instant has happened: whoever wakes may stop before anything else.
        if (events[0]?.atMs !== nowMs) each();
      }
      nowMs = untilMs;
    },
    on: (host, rate) => ({
      nowMs: () => nowMs * rate,
      pause: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const end = () => {
            signal?.removeEventListener('abort', end);
            resolve();
          };
          signal?.addEventListener('abort', end);
          after(ms / rate, end, host);
        }),
    }),
  };
}

/** All promises that can go on have gone on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
