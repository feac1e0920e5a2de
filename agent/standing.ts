import type { Facts } from './gather.ts';
import {
  conditionsOf,
  type FoundCondition,
  type StandingCondition,
  type State,
  type Status,
  stateOf,
} from './status.ts';
import { wallTimes } from './wall-time.ts';

/** How the node is, and since when. Times are ms since boot: the time of day may be set meanwhile. */
export interface Standing {
  readonly state: State;
  readonly sinceMs: number;
  readonly conditions: readonly StandingCondition[];
}

/**
 * The node's state at this moment; what is as it was before keeps its time. Pure.
 *
 * @param facts absent until the inputs have been read for the first time
 * @param found what other parts of the agent found
 * @param nowMs since boot
 */
export function standingOf(
  facts: Facts | undefined,
  found: readonly FoundCondition[],
  before: Standing | undefined,
  nowMs: number,
): Standing {
  if (facts === undefined) return before ?? { state: 'starting', sinceMs: nowMs, conditions: [] };
  const conditions = conditionsOf(facts, found, before?.conditions ?? [], nowMs);
  const state = stateOf(conditions);
  return { state, sinceMs: before?.state === state ? before.sinceMs : nowMs, conditions };
}

/**
 * The same for people: with times of day by the clock as it is set now. Pure.
 *
 * @param startedMs when the agent started, ms since boot
 * @param now the time of day at `nowMs`
 */
export function inWallTime(
  { state, sinceMs, conditions }: Standing,
  startedMs: number,
  nowMs: number,
  now: Date,
): Pick<Status, 'state' | 'since' | 'startedAt' | 'conditions'> {
  const iso = wallTimes(nowMs, now);
  return {
    state,
    since: iso(sinceMs),
    startedAt: iso(startedMs),
    conditions: conditions.map(({ sinceMs: fromMs, ...condition }) => ({
      ...condition,
      since: iso(fromMs),
    })),
  };
}
