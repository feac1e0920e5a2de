import type { Genesis } from '../engine/resources.ts';
import { isConfirmed, majorityOf, roundOf, uuidOf } from './birth.ts';
import { crowdOf } from './crowd.ts';
import type { Durable, FoundingPromise } from './durable.ts';

/**
 * How a cluster begins, without effects: Paxos (Lamport, "Paxos Made Simple") among the E expected nodes, where to
 * carry a genesis is to vote for it and a majority of carriers confirms it. A founder needs the promises of a
 * majority for its round, and must know from them that no genesis of an earlier round can still be confirmed. A
 * node promises one founder per round and votes only in rounds not below its promise. Unlike in Paxos a later
 * round brings a genesis of its own, since the founder of the earlier one may be dead, and only it can start etcd.
 */

/** What a node sees when it decides. Times are monotonic ms of this agent. */
export interface Sight {
  readonly self: string;
  readonly nowMs: number;
  /** Since when others could be seen; time in which this agent did not come to look does not count. */
  readonly startedMs: number;
  readonly expect?: number | undefined;
  readonly bootstrap: boolean;
  /** Machines to join were named. */
  readonly joins: boolean;
  /** Ids of the other nodes that are here now, proven. */
  readonly present: readonly string[];
  /** Somebody with our key calls out who has not proven yet who it is. */
  readonly unproven?: boolean;
  /** When each other node was last here. Never since the start: absent. */
  readonly lastSeenMs: ReadonlyMap<string, number>;
  /** When a node last came. */
  readonly newestContactMs?: number | undefined;
  /** Ids of all other nodes that we ever heard of and that have not left, here or not: cards are passed on and kept. */
  readonly known: readonly string[];
  /** When we last heard of a new one. */
  readonly knownGrewMs?: number | undefined;
  /** The geneses in verified cards of others. */
  readonly sightings: readonly Sighting[];
}

export interface Sighting {
  readonly genesis: Genesis;
  /** Ids of the nodes whose newest card carries it, sorted. */
  readonly carriers: readonly string[];
}

export type GenesisStep =
  | { readonly kind: 'none' }
  | { readonly kind: 'wait'; readonly for: 'machines'; readonly seen: number; readonly needed: number }
  | { readonly kind: 'wait'; readonly for: 'settling' | 'founder' | 'join'; readonly founder?: string }
  /** More machines are known than are expected: see crowd.ts. */
  | { readonly kind: 'wait'; readonly for: 'expect'; readonly known: number }
  /** Ask everybody present for a promise, having promised ourselves first. */
  | { readonly kind: 'propose'; readonly promise: FoundingPromise; readonly to: readonly string[] }
  /** Without agreement: nobody else is to be asked. */
  | { readonly kind: 'found'; readonly expect?: number }
  /** @property ask the founder, who must first say that it stands by it */
  | { readonly kind: 'adopt'; readonly genesis: Genesis; readonly ask?: string | undefined };

interface PromiseRequest {
  readonly promise: FoundingPromise;
  /** Founders of earlier rounds that told the asker that they gave way to it. */
  readonly yielded: readonly string[];
}

export interface PromiseAnswer {
  readonly accepted: boolean;
  readonly promise?: FoundingPromise | undefined;
  /** What it carries; with a refusal also what it sees alive. */
  readonly genesis?: Genesis | undefined;
  /** The asked node's own expected size, when it is another one. */
  readonly expects?: number | 'none' | undefined;
  /** How many machines the asked node knows, when those are more than are expected. */
  readonly crowd?: number | undefined;
}

/** A founder that has promised and is silent this long may be passed over. */
const FOUNDER_LOST_MS = 60_000;
/** News of a genesis have this long to travel before its carriers ask for another round; longer in each round. */
const ROUND_MS = 5_000;
const LONGEST_ROUND_MS = 30_000;
const SETTLE_MS = 3_000;
const FIRST_LOOK_MS = 5_000;
const JOIN_LOOK_MS = 10_000;
const ALONE_MS = 12_000;
/** A call to somebody who was heard may fail for a while where all are busy; one that never succeeds is no node. */
const UNPROVEN_MS = 60_000;

/**
 * The next step of a node without a cluster, or with one that cannot be confirmed. Pure.
 *
 * @param random for the UUID of a proposal of ours, when one is made now
 * @param heldSinceMs since when we carry our genesis
 * @param competing the highest promise to somebody else that an asked node told us of
 */
export function planGenesis(
  durable: Durable,
  sight: Sight,
  random: string,
  heldSinceMs: number,
  competing?: FoundingPromise,
): GenesisStep {
  if (durable.genesis !== undefined && !isStuck(durable, sight, heldSinceMs)) return { kind: 'none' };
  const living = adoptable(durable, sight);
  if (living !== undefined) return durable.genesis === undefined ? living : { kind: 'none' };
  if (sight.bootstrap) return { kind: 'found', expect: 1 };
  return sight.expect === undefined
    ? withoutExpectation(sight)
    : withExpectation(durable, sight, sight.expect, random, competing);
}

/**
 * A genesis that lives and that we may take: its founder is here and carries it, or enough nodes do. Pure.
 */
function adoptable(durable: Durable, sight: Sight): Extract<GenesisStep, { kind: 'adopt' }> | undefined {
  const { sightings, present } = sight;
  const living = sightings
    .map((sighting) => ({ ...sighting, confirmed: isConfirmed(sighting.genesis, sighting.carriers) }))
    .filter(({ genesis, carriers, confirmed }) =>
      confirmed
        ? carriers.some((id) => present.includes(id))
        : present.includes(genesis.founder) &&
          carriers.includes(genesis.founder) &&
          mayVote(durable, genesis, sight),
    )
    .sort(
      (a, b) =>
        Number(b.confirmed) - Number(a.confirmed) ||
        roundOf(b.genesis) - roundOf(a.genesis) ||
        b.carriers.length - a.carriers.length ||
        (a.genesis.founder < b.genesis.founder ? -1 : 1),
    );
  const best = living[0];
  if (best === undefined || durable.confirmed || best.genesis.uuid === durable.genesis?.uuid)
    return undefined;
  const { genesis } = best;
  const ask = genesis.expect === undefined && present.includes(genesis.founder) ? genesis.founder : undefined;
  return { kind: 'adopt', genesis, ask };
}

/**
 * May we carry this genesis, although it is not confirmed? Not against our promise, nor back to an older round; as one
 * of more machines than are expected only what we promised before we knew.
 */
export function mayVote(durable: Durable, genesis: Genesis, sight: Sight): boolean {
  const { promise, genesis: held } = durable;
  const round = roundOf(genesis);
  if (genesis.expect === undefined) return held === undefined;
  if (promise?.uuid !== genesis.uuid && crowdOf(durable, sight) !== undefined) return false;
  return (promise?.round ?? 0) <= round && (held === undefined || roundOf(held) < round);
}

/**
 * Ours is unconfirmed, and cannot be: others carry rival ones, or its founder is gone. Rivals may only not have heard
 * of it yet: a founder that began the next round at once would always be ahead of the news.
 */
function isStuck({ genesis, confirmed }: Durable, sight: Sight, heldSinceMs: number): boolean {
  if (genesis === undefined || confirmed || genesis.expect !== sight.expect || sight.expect === undefined)
    return false;
  const rivals = sight.sightings.some(
    (other) => other.genesis.uuid !== genesis.uuid && other.genesis.expect === genesis.expect,
  );
  const patienceMs = Math.min(ROUND_MS * roundOf(genesis), LONGEST_ROUND_MS);
  if (rivals && sight.nowMs - heldSinceMs >= patienceMs) return true;
  return genesis.founder !== sight.self && isLost(genesis.founder, sight);
}

function withExpectation(
  durable: Durable,
  sight: Sight,
  expect: number,
  random: string,
  competing: FoundingPromise | undefined,
): GenesisStep {
  const { promise, genesis } = durable;
  const crowd = crowdOf(durable, sight);
  if (crowd !== undefined) return { kind: 'wait', for: 'expect', known: crowd };
  const needed = majorityOf(expect);
  const here = [...sight.present, sight.self].sort();
  if (here.length < needed) return { kind: 'wait', for: 'machines', seen: here.length, needed };
  const to = sight.present;
  const nextRound =
    Math.max(
      promise?.round ?? 0,
      competing?.round ?? 0,
      ...sight.sightings.map((seen) => roundOf(seen.genesis)),
    ) + 1;
  const next = { round: nextRound, founder: sight.self, uuid: uuidOf(nextRound, random), expect };
  if (promise?.founder === sight.self && genesis?.uuid !== promise.uuid) {
    // Also after a restart, and when we are not the lowest any more: those who promised wait for us.
    const higher = competing !== undefined && competing.round >= promise.round;
    const mayPass = higher && (competing.founder >= sight.self || isLost(competing.founder, sight));
    return { kind: 'propose', promise: mayPass ? next : { ...promise, expect }, to };
  }
  const settled = genesis !== undefined && genesis.uuid === promise?.uuid;
  if (promise !== undefined && !settled && !isLost(promise.founder, sight))
    return { kind: 'wait', for: 'founder', founder: promise.founder };
  if (here[0] !== sight.self) return { kind: 'wait', for: 'founder', founder: here[0] ?? '' };
  // Who started with us shall be known before we ask the first: there may be more machines than are expected.
  if (sight.nowMs - (sight.knownGrewMs ?? sight.startedMs) < SETTLE_MS)
    return { kind: 'wait', for: 'settling' };
  return { kind: 'propose', promise: next, to };
}

function withoutExpectation(sight: Sight): GenesisStep {
  const { nowMs, startedMs, present, joins, self, newestContactMs } = sight;
  const age = nowMs - startedMs;
  if (sight.unproven && age < UNPROVEN_MS) return { kind: 'wait', for: 'settling' };
  if (present.length === 0) {
    if (joins) return { kind: 'wait', for: 'join' };
    return age >= ALONE_MS ? { kind: 'found' } : { kind: 'wait', for: 'settling' };
  }
  const settled = nowMs - (newestContactMs ?? startedMs) >= SETTLE_MS;
  if (!settled || age < (joins ? JOIN_LOOK_MS : FIRST_LOOK_MS)) return { kind: 'wait', for: 'settling' };
  const [lowest = self] = [...present, self].sort();
  return lowest === self ? { kind: 'found' } : { kind: 'wait', for: 'founder', founder: lowest };
}

/**
 * Answer a founder that asks for our promise. What is to be kept must be on the disk before the answer leaves.
 * Pure.
 *
 * @param holdsData our own cluster holds what others wrote: it is not up for a vote
 */
export function answerPromise(
  durable: Durable,
  sight: Sight,
  asker: string,
  { promise: asked, yielded }: PromiseRequest,
  holdsData = false,
): { readonly answer: PromiseAnswer; readonly keep?: Durable } {
  const { promise: held, genesis, confirmed } = durable;
  const refuse = (more: Partial<PromiseAnswer>) => ({
    answer: { accepted: false, promise: held, genesis, ...more },
  });
  if (asked.founder !== asker || confirmed || holdsData) return refuse({});
  if (genesis !== undefined && genesis.expect !== asked.expect) return refuse({});
  if (asked.expect !== sight.expect) return refuse({ expects: sight.expect ?? 'none' });
  const crowd = crowdOf(durable, sight);
  if (crowd !== undefined) return refuse({ crowd });
  const accept = {
    answer: { accepted: true, promise: asked, genesis },
    keep: { ...durable, promise: asked },
  };
  if (held?.founder === asker && held.uuid === asked.uuid && held.round === asked.round) return accept;
  const living = adoptable(durable, sight);
  if (living !== undefined) return refuse({ genesis: living.genesis });
  if (asked.round <= Math.max(held?.round ?? 0, genesis ? roundOf(genesis) : 0)) return refuse({});
  if (held === undefined || held.founder === asker || held.uuid === genesis?.uuid) return accept;
  // Our own proposal gives way to a lower id: from here on we never found with it.
  if (held.founder === sight.self) return asker < sight.self ? accept : refuse({});
  return yielded.includes(held.founder) || isLost(held.founder, sight) ? accept : refuse({});
}

/**
 * What the answers to one round of asking come to. Pure.
 *
 * @param own the genesis that the asker carries
 */
export function countPromises(
  proposal: FoundingPromise,
  own: Genesis | undefined,
  answers: ReadonlyMap<string, PromiseAnswer>,
) {
  const accepted = [...answers].filter(([, answer]) => answer.accepted).map(([id]) => id);
  const competing = [...answers.values()]
    .map(({ promise }) => promise)
    .filter((promise) => promise !== undefined && promise.uuid !== proposal.uuid)
    .sort((a, b) => (b?.round ?? 0) - (a?.round ?? 0))[0];
  const votes = new Map<string, number>();
  for (const genesis of [own, ...accepted.map((id) => answers.get(id)?.genesis)]) {
    if (genesis !== undefined) votes.set(genesis.uuid, (votes.get(genesis.uuid) ?? 0) + 1);
  }
  const majority = majorityOf(proposal.expect);
  // Who has not promised may have voted for any earlier genesis.
  const unknown = proposal.expect - accepted.length - 1;
  const open = [...votes.values()].some((count) => count + unknown >= majority);
  const crowded = [...answers.values()].some(({ crowd }) => crowd !== undefined);
  return {
    agreed: accepted.length + 1 >= majority && !open && !crowded,
    accepted,
    competing,
    /** Who expects another number of machines. */
    differing: [...answers].flatMap(([id, { expects }]) => (expects === undefined ? [] : [{ id, expects }])),
  };
}

/** Not seen for a minute; after our own start we have to look for a minute first. */
function isLost(id: string, { lastSeenMs, nowMs, startedMs, present }: Sight): boolean {
  if (present.includes(id)) return false;
  return nowMs - (lastSeenMs.get(id) ?? startedMs) >= FOUNDER_LOST_MS;
}
