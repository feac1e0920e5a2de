/** What the leader's agent does for etcd's database, one member at a time. */

export interface CareFacts {
  readonly nowMs: number;
  readonly alarms: readonly { readonly memberId: string; readonly alarm: string }[];
  readonly databases: readonly DatabaseFacts[];
  /** Monotonic ms of the last defragmentation of each member. */
  readonly defragmentedMs: ReadonlyMap<string, number>;
}

export interface DatabaseFacts {
  readonly memberId: string;
  readonly endpoint: string;
  readonly leads: boolean;
  /** Bytes on the disk. */
  readonly size: number;
  /** Bytes that would be left after a defragmentation. */
  readonly inUse: number;
}

type CareStep =
  | { readonly kind: 'none' }
  /** Forget old revisions, so that a defragmentation has something to give back. */
  | { readonly kind: 'compact' }
  | { readonly kind: 'defragment'; readonly memberId: string; readonly endpoint: string }
  | { readonly kind: 'disarm'; readonly memberId: string };

const LARGE = 100 * 1024 ** 2;
const AGAIN_MS = 10 * 60_000;
/** Disarmed only when there is room: etcd raises the alarm again at once otherwise. */
const ROOM = 0.9;

/** The next step for the database; the leader's own last, since it answers nothing meanwhile. Pure. */
export function planCare(facts: CareFacts, quotaBytes: number): CareStep {
  const full = facts.alarms.filter(({ alarm }) => alarm === 'NOSPACE');
  const order = facts.databases.toSorted((a, b) => Number(a.leads) - Number(b.leads));
  const rested = ({ memberId }: DatabaseFacts) =>
    facts.nowMs - (facts.defragmentedMs.get(memberId) ?? Number.NEGATIVE_INFINITY) >= AGAIN_MS;
  if (full.length > 0) {
    const tight = order.filter(({ size }) => size >= quotaBytes * ROOM);
    const next = tight.find(rested);
    if (next !== undefined) {
      if (next.inUse >= next.size * ROOM && !facts.defragmentedMs.has('compacted'))
        return { kind: 'compact' };
      return { kind: 'defragment', memberId: next.memberId, endpoint: next.endpoint };
    }
    const [first] = full;
    return tight.length === 0 && first ? { kind: 'disarm', memberId: first.memberId } : { kind: 'none' };
  }
  const wasteful = order.find((one) => one.size > LARGE && one.inUse < one.size / 2 && rested(one));
  if (wasteful === undefined) return { kind: 'none' };
  return { kind: 'defragment', memberId: wasteful.memberId, endpoint: wasteful.endpoint };
}

/**
 * Which nodes keep snapshots: three, so that a machine may burn; voters first, then who has a copy, then by id. Pure.
 *
 * @param others ids of all nodes that are here
 */
export function keepsSnapshots(
  self: string,
  members: readonly { readonly name: string; readonly learner: boolean }[],
  others: readonly string[],
): boolean {
  const named = (learner: boolean) =>
    members.filter((member) => member.learner === learner && member.name !== '').map(({ name }) => name);
  const ranked = new Set([...named(false).sort(), ...named(true), ...others.toSorted()]);
  return members.length > 0 && [...ranked].slice(0, 3).includes(self);
}
