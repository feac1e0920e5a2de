import * as path from 'node:path';
import { clock, diskProbe } from '../host.ts';
import type { Lateness } from './choose.ts';

/** Measures how late things happen on this machine. */
export interface Measure {
  /**
   * Undefined until there is enough to say something.
   *
   * @param others the other voters, by id
   */
  now(others: readonly string[]): Lateness | undefined;
  /** Look at the disk; never throws: one that cannot be written to has a condition of its own. */
  probeDisk(): Promise<void>;
  /** A question to another voter took this long; undefined when it was not answered. */
  noteRoundTrip(id: string, ms: number | undefined): void;
  close(): void;
}

const TICK_MS = 500;
/** A minute of ticks. */
const TICKS = 120;
/** Two minutes, of the disk and of each other voter. */
const PROBES = 12;
const ENOUGH_TICKS = 10;
/** Loading the program keeps it busy, and says nothing of what follows. */
const STARTING_MS = 5_000;

export function createMeasure(folder: string): Measure {
  const startedMs = clock.monotonicMs();
  const scheduling: number[] = [];
  const disk: number[] = [];
  const network = new Map<string, number[]>();
  let dueMs = startedMs + TICK_MS;
  const stop = clock.every(TICK_MS, () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - startedMs > STARTING_MS) keep(scheduling, Math.max(0, nowMs - dueMs), TICKS);
    dueMs = nowMs + TICK_MS;
  });
  return {
    now(others) {
      if (scheduling.length < ENOUGH_TICKS || disk.length === 0) return undefined;
      return {
        schedulingMs: quantile(scheduling, 0.95),
        diskMs: quantile(disk, 0.9),
        networkMs: majorityMs(
          others.length,
          [...network].filter(([id]) => others.includes(id)).map(([, list]) => quantile(list, 0.9)),
        ),
      };
    },
    async probeDisk() {
      const ms = await diskProbe.syncMs(path.join(folder, 'sync-probe')).catch(() => undefined);
      if (ms !== undefined) keep(disk, ms, PROBES);
    },
    noteRoundTrip(id, ms) {
      if (ms === undefined) return void network.delete(id);
      const list = network.get(id) ?? [];
      network.set(id, list);
      keep(list, ms, PROBES);
    },
    close: stop,
  };
}

function keep(list: number[], value: number, most: number): void {
  list.push(value);
  if (list.length > most) list.shift();
}

/**
 * How long this voter waits for a majority, itself among it: one whose cable is loose delays nobody but itself. Pure.
 *
 * @param others how many other voters there are
 * @param answeredMs of those of them that answer
 * @returns undefined when none does
 */
export function majorityMs(others: number, answeredMs: readonly number[]): number | undefined {
  const needed = Math.ceil(others / 2);
  const sorted = answeredMs.toSorted((a, b) => a - b);
  return sorted[Math.min(needed, sorted.length) - 1];
}

/** The value below which this share of the list lies. Pure. */
export function quantile(list: readonly number[], share: number): number {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
