import type { StepName } from '../config/settings.ts';
import { compareSteps, stepOf, steps, USUAL } from './steps.ts';

/** How late things happen on this machine, in ms: the slow end of what was measured within the last minute or so. */
export interface Lateness {
  /** A write that lasts. */
  readonly diskMs: number;
  /** From when the agent was to wake until it did. */
  readonly schedulingMs: number;
  /** A question to another voter and its answer; absent until one was asked. */
  readonly networkMs?: number | undefined;
}

/** All that may lie between one sign of life and the next, one after the other. Pure. */
export function lateOf({ diskMs, schedulingMs, networkMs = 0 }: Lateness): number {
  return diskMs + schedulingMs + networkMs;
}

/** What a machine needs, and since when it might do with less. */
export interface Need {
  readonly step: StepName;
  /** Monotonic ms since when a faster step would do all the time; absent while it would not. */
  readonly fasterSinceMs?: number | undefined;
}

/** A faster step must have room: else a machine at a limit would change with each look. */
const ROOM = 0.6;
const CALM_MS = 60_000;

/**
 * What this machine needs: a slower step at once, a faster one when it has done for a minute. Pure.
 *
 * @param late undefined until enough was measured
 */
export function nextNeed(before: Need | undefined, late: number | undefined, nowMs: number): Need {
  if (late === undefined) return before ?? { step: USUAL };
  if (before === undefined) return { step: leastFor(late, undefined) };
  const step = leastFor(late, before.step);
  const order = compareSteps(step, before.step);
  if (order > 0) return { step };
  if (order === 0) return { step };
  const fasterSinceMs = before.fasterSinceMs ?? nowMs;
  return nowMs - fasterSinceMs >= CALM_MS ? { step } : { step: before.step, fasterSinceMs };
}

function leastFor(late: number, before: StepName | undefined): StepName {
  const fitting = steps().find(({ name, lateMs }) => {
    const faster = before !== undefined && compareSteps(name, before) < 0;
    return late <= (faster ? lateMs * ROOM : lateMs);
  });
  return fitting?.name ?? 'slowest';
}

/** What of it counts most, in words: `the disk takes 310 ms to sync`. Pure. */
export function wordsFor({ diskMs, schedulingMs, networkMs = 0 }: Lateness): string {
  const parts = [
    { ms: diskMs, words: (ms: string) => `the disk takes ${ms} to sync` },
    { ms: schedulingMs, words: (ms: string) => `programs wake up ${ms} late` },
    { ms: networkMs, words: (ms: string) => `answers of other nodes take ${ms}` },
  ];
  const [most] = parts.sort((a, b) => b.ms - a.ms);
  return most === undefined ? '' : most.words(`${Math.round(most.ms)} ms`);
}

/** A lease that holds for the cluster's step and for what this machine needs, and no shorter than was asked for. Pure. */
export function leaseFor(step: StepName, need: StepName, wishSeconds: number | undefined): number {
  return Math.max(stepOf(step).leaseSeconds, stepOf(need).leaseSeconds, wishSeconds ?? 0);
}
