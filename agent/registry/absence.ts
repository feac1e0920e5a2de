import type { Member } from '../engine/resources.ts';
import type { Registry } from './registry.ts';

/** Registered nodes that gossip does not know, and the monotonic ms since which this agent sees it so. */
export type Absences = ReadonlyMap<string, number>;

/**
 * A node that failed is forgotten by Serf after seven days (`reconnect_timeout`); this much later its record and its
 * claims are removed. It counts from when an agent began to look: one that starts anew gives everybody all of it.
 */
export const ABSENT_GRACE_MS = 3 * 86_400_000;

const NOBODY: Absences = new Map();

/**
 * Who is absent, and since when. While our own Serf does not run we see nobody, which says nothing of them: then
 * all begins anew. Pure.
 *
 * @param self our own id
 */
export function absencesOf(
  before: Absences,
  registry: Registry,
  members: readonly Member[],
  self: string,
  nowMs: number,
): Absences {
  if (members.find(({ id }) => id === self)?.status !== 'alive') return NOBODY;
  const known = new Set(members.map(({ id }) => id));
  const registered = [
    ...registry.nodes.map(({ id }) => id),
    ...Object.values(registry.addresses),
    ...Object.values(registry.names),
  ];
  return new Map(
    registered.filter((id) => !known.has(id)).map((id) => [id, before.get(id) ?? nowMs] as const),
  );
}

/**
 * Those that will not come back, for the sweep. A voter never is: that it is dead is for the consensus to find, and
 * while it votes its address is needed. Pure.
 *
 * @param voters learners too
 */
export function lostForGood(absences: Absences, voters: readonly string[], nowMs: number): readonly string[] {
  return [...absences]
    .filter(([id, sinceMs]) => nowMs - sinceMs > ABSENT_GRACE_MS && !voters.includes(id))
    .map(([id]) => id);
}
