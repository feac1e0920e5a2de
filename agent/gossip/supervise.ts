import { mayTry, type RestartState } from '../engine/restart.ts';

/** What is known of Serf's process and its answers. */
export interface Observed {
  readonly unit: 'running' | 'stopped' | 'failed';
  /** It runs with the configuration and the keys that we want. */
  readonly current: boolean;
  /** Only the address that it tells is another. */
  readonly moved: boolean;
  /** Monotonic ms since which every question to it failed; undefined when the last was answered. */
  readonly silentSinceMs: number | undefined;
  readonly restart: RestartState;
  /** The operator has told us to leave. */
  readonly leaving: boolean;
}

export type Step =
  /** Leave it as it is. */
  | 'keep'
  /** Too early for the next attempt. */
  | 'wait'
  | 'start'
  /** Stop it and start it again. */
  | 'restart'
  /** Say good-bye first: else the others refuse our new address until they have forgotten the old one. */
  | 'leave-and-restart'
  /** It runs, but does not answer. */
  | 'kill-and-restart';

/** Serf answers within milliseconds; a machine under load gets some time. */
export const DEAF_MS = 15_000;
const MOST_DOUBLINGS = 3;

/**
 * How long Serf may be silent, in ms. It doubles with each failure of late: where a machine has too much to do,
 * a start is more of it, and no cure. Pure.
 */
export function patienceOf(restart: RestartState): number {
  return DEAF_MS * 2 ** Math.min(restart.failures, MOST_DOUBLINGS);
}

/** What to do with Serf's process. Pure. */
export function planSerf(observed: Observed, nowMs: number): Step {
  if (observed.leaving) return 'keep';
  if (observed.unit !== 'running') return mayTry(observed.restart, nowMs) ? 'start' : 'wait';
  const deaf =
    observed.silentSinceMs !== undefined && nowMs - observed.silentSinceMs >= patienceOf(observed.restart);
  if (deaf) return mayTry(observed.restart, nowMs) ? 'kill-and-restart' : 'wait';
  if (observed.current) return 'keep';
  return observed.moved ? 'leave-and-restart' : 'restart';
}
