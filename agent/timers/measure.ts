import * as path from 'node:path';
import { clock, diskProbe } from '../host.ts';
import type { Lateness } from './choose.ts';

/** Measures how late things happen on this machine. */
export interface Measure {
  /** Undefined until there is enough to say something. */
  now(): Lateness | undefined;
  /** Look at the disk; never throws: one that cannot be written to has a condition of its own. */
  probeDisk(): Promise<void>;
  /** A question to another voter took this long. */
  noteRoundTrip(ms: number): void;
  close(): void;
}

const TICK_MS = 500;
/** A minute of ticks. */
const TICKS = 120;
const PROBES = 12;
const ROUND_TRIPS = 30;
const ENOUGH_TICKS = 10;
/** Loading the program keeps it busy, and says nothing of what follows. */
const STARTING_MS = 5_000;

export function createMeasure(folder: string): Measure {
  const startedMs = clock.monotonicMs();
  const scheduling: number[] = [];
  const disk: number[] = [];
  const network: number[] = [];
  let dueMs = startedMs + TICK_MS;
  const stop = clock.every(TICK_MS, () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - startedMs > STARTING_MS) keep(scheduling, Math.max(0, nowMs - dueMs), TICKS);
    dueMs = nowMs + TICK_MS;
  });
  return {
    now() {
      if (scheduling.length < ENOUGH_TICKS || disk.length === 0) return undefined;
      return {
        schedulingMs: quantile(scheduling, 0.95),
        diskMs: quantile(disk, 0.9),
        networkMs: network.length === 0 ? undefined : quantile(network, 0.9),
      };
    },
    async probeDisk() {
      const ms = await diskProbe.syncMs(path.join(folder, 'sync-probe')).catch(() => undefined);
      if (ms !== undefined) keep(disk, ms, PROBES);
    },
    noteRoundTrip: (ms) => keep(network, ms, ROUND_TRIPS),
    close: stop,
  };
}

function keep(list: number[], value: number, most: number): void {
  list.push(value);
  if (list.length > most) list.shift();
}

/** The value below which this share of the list lies. Pure. */
export function quantile(list: readonly number[], share: number): number {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
