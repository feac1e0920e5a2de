import type { StepName } from '../config/settings.ts';
import { stepOf } from '../timers/steps.ts';

/** On machines of the usual pace. */
const TURN_MS = 15_000;

/**
 * Voters are started again one after the other, by the time of day, which clocks that are set share: all at once would
 * stop the cluster. Whoever begins in the first half of its turn is back before the next one's. Pure.
 */
export function isTurn(
  self: string,
  members: readonly { readonly name: string }[] | undefined,
  now: Date,
  step: StepName,
): boolean {
  if (members === undefined) return false;
  const turnMs = TURN_MS * stepOf(step).slack;
  const names = members.map(({ name }) => name).sort();
  const isOurs =
    Math.floor(now.getTime() / turnMs) % Math.max(1, names.length) === Math.max(0, names.indexOf(self));
  return isOurs && now.getTime() % turnMs < turnMs / 2;
}
