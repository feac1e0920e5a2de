import { createHash } from 'node:crypto';

export interface Candidates {
  readonly role: string;
  readonly me: string;
  readonly voters: readonly string[];
  /** Ids that Serf sees alive; ourselves need not be among them. */
  readonly alive: readonly string[];
  /** Who held the role last, as far as is known: it gave the role back, or is probably dead. */
  readonly former?: string | undefined;
}

/** Between two voters: long enough for the first one's transaction to be seen. */
const VOTER_STEP_MS = 150;
/** All voters have had their turn. */
const OTHERS_FROM_MS = 2_000;
const OTHERS_STEP_MS = 50;
const LONGEST_MS = 5_000;
/** After every rank, which is hexadecimal. */
const LAST = 'last';

/**
 * How long to hold back, in ms, from when a role is free: the living voters first, each role in another order
 * and its former holder at their end, then the others, so that two hundred nodes do not try at once. Only
 * manners: that one wins is etcd's part. Pure.
 */
export function turnMs({ role, me, voters, alive, former }: Candidates): number {
  const present = new Set([...alive, me]);
  const order = (ids: readonly string[]) => {
    const ranked = ids.map((id) => ({ id, rank: id === former ? LAST : rank(role, id) }));
    return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1)).map(({ id }) => id);
  };
  const voting = order(voters.filter((id) => present.has(id)));
  const place = voting.indexOf(me);
  if (place >= 0) return Math.min(place * VOTER_STEP_MS, LONGEST_MS);
  const others = order([...present].filter((id) => !voters.includes(id)));
  const from = voting.every((id) => id === former) ? 0 : OTHERS_FROM_MS;
  return Math.min(from + others.indexOf(me) * OTHERS_STEP_MS, LONGEST_MS);
}

/** Asked for every node at every beat of every role. */
const ranks = new Map<string, string>();
const MOST_RANKS = 10_000;

function rank(role: string, id: string): string {
  const name = `${role}\0${id}`;
  let found = ranks.get(name);
  if (found === undefined) {
    found = createHash('sha256').update(name).digest('hex');
    if (ranks.size >= MOST_RANKS) ranks.clear();
    ranks.set(name, found);
  }
  return found;
}
