import { type Birth, majorityOf, neededFor } from './birth.ts';
import type { Durable, FoundingPromise } from './durable.ts';

/**
 * How a cluster begins, without effects. With an expected size E, a founder needs the promises of a majority of E
 * and each node gives one per round; what makes two clusters impossible is the second vote: a node carries one
 * genesis, a majority of E carriers confirms it, and nobody leaves a genesis but for a confirmed one.
 */

/** What a node sees when it decides. Times are monotonic ms of this agent. */
export interface Sight {
  readonly self: string;
  readonly nowMs: number;
  /** When the agent started. */
  readonly startedMs: number;
  readonly expect?: number | undefined;
  readonly bootstrap: boolean;
  /** Machines to join were named. */
  readonly joins: boolean;
  /** Ids of the other nodes that are here now, proven. */
  readonly present: readonly string[];
  /** When each other node was last here. Never since the start: absent. */
  readonly lastSeenMs: ReadonlyMap<string, number>;
  /** When a node last came. */
  readonly newestContactMs?: number | undefined;
  /** The geneses in verified cards of others. */
  readonly sightings: readonly Sighting[];
}

export interface Sighting {
  readonly genesis: Birth;
  /** Ids of the nodes whose newest card carries it, sorted. */
  readonly carriers: readonly string[];
}

export type GenesisStep =
  | { readonly kind: 'none' }
  | { readonly kind: 'wait'; readonly for: 'machines'; readonly seen: number; readonly needed: number }
  | { readonly kind: 'wait'; readonly for: 'settling' | 'founder' | 'join'; readonly founder?: string }
  /** Ask everybody present for a promise, having promised ourselves first. */
  | { readonly kind: 'propose'; readonly promise: FoundingPromise; readonly to: readonly string[] }
  /** Without agreement: nobody else is to be asked. */
  | { readonly kind: 'found'; readonly expect?: number }
  /** @property ask the founder, who must first say that it stands by it */
  | { readonly kind: 'adopt'; readonly genesis: Birth; readonly ask?: string | undefined };

export interface PromiseRequest {
  readonly promise: FoundingPromise;
  /** Founders of earlier rounds that told the asker that they gave way to it. */
  readonly yielded: readonly string[];
}

export interface PromiseAnswer {
  readonly accepted: boolean;
  readonly promise?: FoundingPromise | undefined;
  readonly genesis?: Birth | undefined;
  /** The asked node's own expected size, when it is another one. */
  readonly expects?: number | 'none' | undefined;
}

/** A founder that has promised and is silent this long may be passed over. */
export const FOUNDER_LOST_MS = 60_000;
const SETTLE_MS = 3_000;
const FIRST_LOOK_MS = 5_000;
const JOIN_LOOK_MS = 10_000;
const ALONE_MS = 12_000;

/**
 * The next step of a node without a cluster. Pure.
 *
 * @param uuid for a proposal of ours, when one is made now
 * @param competing the highest promise to somebody else that an asked node told us of
 */
export function planGenesis(
  durable: Durable,
  sight: Sight,
  uuid: string,
  competing?: FoundingPromise,
): GenesisStep {
  if (durable.genesis !== undefined) return { kind: 'none' };
  const living = adoptable(sight);
  if (living !== undefined) return living;
  if (sight.bootstrap) return { kind: 'found', expect: 1 };
  return sight.expect === undefined
    ? withoutExpectation(sight)
    : withExpectation(durable, sight, sight.expect, uuid, competing);
}

/** A genesis that lives: its founder is here and carries it, or enough nodes do. Pure. */
export function adoptable({
  sightings,
  present,
}: Sight): Extract<GenesisStep, { kind: 'adopt' }> | undefined {
  const living = sightings
    .map((sighting) => ({ ...sighting, confirmed: isConfirmed(sighting.genesis, sighting.carriers) }))
    .filter(({ genesis, carriers, confirmed }) =>
      confirmed
        ? carriers.some((id) => present.includes(id))
        : present.includes(genesis.founder) && carriers.includes(genesis.founder),
    )
    .sort(
      (a, b) =>
        Number(b.confirmed) - Number(a.confirmed) ||
        b.carriers.length - a.carriers.length ||
        (a.genesis.founder < b.genesis.founder ? -1 : 1),
    );
  const best = living[0];
  if (best === undefined) return undefined;
  const { genesis } = best;
  const ask = genesis.expect === undefined && present.includes(genesis.founder) ? genesis.founder : undefined;
  return { kind: 'adopt', genesis, ask };
}

/** @param carriers ids of the nodes that carry it, ourselves among them if we do */
export function isConfirmed(genesis: Birth, carriers: readonly string[]): boolean {
  return carriers.length >= neededFor(genesis);
}

function withExpectation(
  { promise }: Durable,
  sight: Sight,
  expect: number,
  uuid: string,
  competing: FoundingPromise | undefined,
): GenesisStep {
  const needed = majorityOf(expect);
  const here = [...sight.present, sight.self].sort();
  if (here.length < needed) return { kind: 'wait', for: 'machines', seen: here.length, needed };
  const to = sight.present;
  if (promise?.founder === sight.self) {
    // Also after a restart, and when we are not the lowest any more: those who promised wait for us.
    const higher = competing !== undefined && competing.round >= promise.round;
    const mayPass = higher && (competing.founder >= sight.self || isLost(competing.founder, sight));
    const round = mayPass ? competing.round + 1 : promise.round;
    return { kind: 'propose', promise: { ...promise, round, expect }, to };
  }
  if (promise !== undefined && !isLost(promise.founder, sight))
    return { kind: 'wait', for: 'founder', founder: promise.founder };
  if (here[0] !== sight.self) return { kind: 'wait', for: 'founder', founder: here[0] ?? '' };
  const round = Math.max(promise?.round ?? 0, competing?.round ?? 0) + 1;
  return { kind: 'propose', promise: { round, founder: sight.self, uuid, expect }, to };
}

function withoutExpectation(sight: Sight): GenesisStep {
  const { nowMs, startedMs, present, joins, self, newestContactMs } = sight;
  const age = nowMs - startedMs;
  if (present.length === 0) {
    if (joins) return { kind: 'wait', for: 'join' };
    return age >= ALONE_MS ? { kind: 'found' } : { kind: 'wait', for: 'settling' };
  }
  const settled = nowMs - (newestContactMs ?? startedMs) >= SETTLE_MS;
  if (!settled || age < (joins ? JOIN_LOOK_MS : FIRST_LOOK_MS)) return { kind: 'wait', for: 'settling' };
  const [lowest = self] = [...present, self].sort();
  return lowest === self ? { kind: 'found' } : { kind: 'wait', for: 'founder', founder: lowest };
}

/** Not seen for a minute; after our own start we have to look for a minute first. */
function isLost(id: string, { lastSeenMs, nowMs, startedMs, present }: Sight): boolean {
  if (present.includes(id)) return false;
  return nowMs - (lastSeenMs.get(id) ?? startedMs) >= FOUNDER_LOST_MS;
}

/**
 * Answer a founder that asks for our promise. What is to be kept must be on the disk before the answer leaves.
 * Pure.
 */
export function answerPromise(
  durable: Durable,
  sight: Sight,
  asker: string,
  { promise: asked, yielded }: PromiseRequest,
): { readonly answer: PromiseAnswer; readonly keep?: Durable } {
  const { promise: held, genesis } = durable;
  const refuse = (more: Partial<PromiseAnswer>) => ({ answer: { accepted: false, promise: held, ...more } });
  if (asked.founder !== asker) return refuse({});
  if (genesis !== undefined) return refuse({ genesis });
  const seen = adoptable(sight);
  if (seen !== undefined) return refuse({ genesis: seen.genesis });
  if (asked.expect !== sight.expect) return refuse({ expects: sight.expect ?? 'none' });
  const accept = { answer: { accepted: true, promise: asked }, keep: { ...durable, promise: asked } };
  if (held === undefined) return accept;
  if (held.founder === asked.founder && held.uuid === asked.uuid && held.round <= asked.round) return accept;
  if (asked.round <= held.round) return refuse({});
  if (held.founder === asker) return accept;
  // Our own proposal gives way to a lower id: from here on we never found with it.
  if (held.founder === sight.self) return asker < sight.self ? accept : refuse({});
  return yielded.includes(held.founder) || isLost(held.founder, sight) ? accept : refuse({});
}

/** What the answers to one round of asking come to. Pure. */
export function countPromises(proposal: FoundingPromise, answers: ReadonlyMap<string, PromiseAnswer>) {
  const accepted = [...answers].filter(([, answer]) => answer.accepted).map(([id]) => id);
  const others = [...answers.values()]
    .filter((answer) => !answer.accepted)
    .map(({ promise }) => promise)
    .filter((promise) => promise !== undefined && promise.uuid !== proposal.uuid)
    .sort((a, b) => (b?.round ?? 0) - (a?.round ?? 0));
  const geneses = [...answers.values()].map(({ genesis }) => genesis).filter((found) => found !== undefined);
  return {
    agreed: accepted.length + 1 >= majorityOf(proposal.expect),
    accepted,
    competing: others[0],
    geneses,
    /** Who expects another number of machines. */
    differing: [...answers].flatMap(([id, { expects }]) => (expects === undefined ? [] : [{ id, expects }])),
  };
}
