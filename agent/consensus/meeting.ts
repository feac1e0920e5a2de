import type { Genesis } from '../engine/resources.ts';
import { isConfirmed, majorityOf } from './birth.ts';
import type { Durable } from './durable.ts';
import { mayVote, type Sight, type Sighting } from './genesis.ts';

/** What a node with a cluster knows of its own, for a meeting with another. */
export interface OwnCluster {
  readonly durable: Durable;
  /** Data of etcd lies on our disk. */
  readonly hasData: boolean;
  /** No other node is a member of it, and nobody has written to it: leaving it loses nothing. */
  readonly empty: boolean;
  /** A majority of its voters answers us. */
  readonly quorum?: boolean | undefined;
  /** Monotonic ms since when it has no quorum; absent while it has, or when it never was reached. */
  readonly quorumLostMs?: number | undefined;
  /** Monotonic ms since when another cluster is here and neither has given way. */
  readonly conflictSinceMs?: number | undefined;
}

export type Meeting =
  | { readonly kind: 'none' }
  /** @property ask a node that must say that it stands by it before ours is left */
  | {
      readonly kind: 'leave';
      readonly genesis: Genesis;
      readonly why: string;
      readonly ask?: string | undefined;
    }
  | { readonly kind: 'conflict'; readonly others: readonly Sighting[] };

/** A recovered cluster is followed when the old one has been without a quorum this long. */
const FOLLOW_MS = 20_000;
/** One that could give way has done so by then: what still stands holds data. */
const PATIENCE_MS = 15_000;

/**
 * Our cluster sees another one. A provisional, empty one gives way; where something could be lost, nobody moves
 * and both say so. Pure.
 */
export function planMeeting(own: OwnCluster, sight: Sight): Meeting {
  const { genesis } = own.durable;
  if (genesis === undefined) return { kind: 'none' };
  const others = sight.sightings.filter(
    (sighting) =>
      sighting.genesis.uuid !== genesis.uuid && !genesis.ancestors?.includes(sighting.genesis.uuid),
  );
  for (const other of others) {
    const why = reasonToLeave(own, genesis, other, sight);
    if (why === undefined) continue;
    const ask = other.genesis.expect === undefined ? other.genesis.founder : undefined;
    if (ask !== undefined && !sight.present.includes(ask)) continue;
    return { kind: 'leave', genesis: other.genesis, why, ask };
  }
  const standing = others.filter(({ carriers }) => carriers.some((id) => sight.present.includes(id)));
  return standing.length > 0 ? { kind: 'conflict', others: standing } : { kind: 'none' };
}

function reasonToLeave(own: OwnCluster, genesis: Genesis, other: Sighting, sight: Sight): string | undefined {
  const theirs = isConfirmed(other.genesis, other.carriers);
  if (isHeirOf(genesis, other)) {
    const { follow, notFollowed = [] } = own.durable;
    if (follow === other.genesis.founder) return 'an operator ordered it';
    // Also one that was recovered again: what it began from was declined.
    if (declined(other, notFollowed)) return undefined;
    const lost = own.quorumLostMs !== undefined && sight.nowMs - own.quorumLostMs >= FOLLOW_MS;
    if (!lost || majorityIsHere(own.durable, genesis, sight)) return undefined;
    return 'an operator recovered our cluster there, and here it has no quorum';
  }
  if (own.hasData && !own.empty) return undefined;
  // With an expected size a node's choice is a vote: it changes for what is confirmed or of a later round.
  if (genesis.expect !== undefined || other.genesis.expect !== undefined) {
    if (own.durable.confirmed) return undefined;
    if (theirs) return 'the other one is confirmed, ours is not';
    const later =
      other.genesis.expect === genesis.expect &&
      mayVote(own.durable, other.genesis, sight) &&
      other.carriers.includes(other.genesis.founder) &&
      sight.present.includes(other.genesis.founder);
    return later ? 'neither is confirmed, the other one is of a later round' : undefined;
  }
  const founderLeft =
    !own.hasData && own.durable.clusterId === undefined && other.carriers.includes(genesis.founder);
  if (founderLeft) return 'its founder has gone over';
  if (own.durable.confirmed) return undefined;
  if (theirs) return 'the other one is confirmed, ours is not';
  if (other.genesis.founder < genesis.founder) return 'both are provisional, its founder has the lower id';
  const { conflictSinceMs = sight.nowMs } = own;
  const stays = sight.nowMs - conflictSinceMs >= PATIENCE_MS;
  return stays ? 'both are provisional, and the other one holds data' : undefined;
}

function isHeirOf({ uuid }: Genesis, { genesis }: Sighting): boolean {
  return genesis.ancestors?.includes(uuid) ?? false;
}

function declined({ genesis: { uuid, ancestors = [] } }: Sighting, notFollowed: readonly string[]): boolean {
  return [uuid, ...ancestors].some((one) => notFollowed.includes(one));
}

/** The quorum is about to come back: as many voters as it takes are here, and still of our cluster. */
function majorityIsHere({ voters = [] }: Durable, genesis: Genesis, sight: Sight): boolean {
  const carriers = sight.sightings.find((sighting) => sighting.genesis.uuid === genesis.uuid)?.carriers ?? [];
  const here = voters.filter(
    (id) => id === sight.self || (sight.present.includes(id) && carriers.includes(id)),
  );
  return voters.length > 1 && here.length >= majorityOf(voters.length);
}

/**
 * Clusters that were recovered from ours although ours has a quorum: on a minority that was cut off, from data that may
 * be older. Once seen they are never followed but by an order, also when our quorum is lost later. Pure.
 */
export function heirsToDecline(own: OwnCluster, sight: Sight): readonly string[] {
  const { genesis, notFollowed = [] } = own.durable;
  if (genesis === undefined || own.quorum !== true) return [];
  return sight.sightings
    .filter((other) => isHeirOf(genesis, other) && !declined(other, notFollowed))
    .map((other) => other.genesis.uuid);
}

/** A node asks whether we stand by our genesis, since it wants to take it for its own. Pure. */
export function answerAdopt(
  durable: Durable,
  uuid: string,
  /** We are about to leave it. */
  leaving: boolean,
): { readonly answer: { readonly held: boolean; readonly genesis?: Genesis }; readonly keep?: Durable } {
  const { genesis, confirmed } = durable;
  if (genesis === undefined) return { answer: { held: false } };
  if (genesis.uuid !== uuid || leaving) return { answer: { held: false, genesis } };
  // With an expected size one more carrier is not yet a majority; its card tells when it is.
  const settles = genesis.expect === undefined && !confirmed;
  return { answer: { held: true, genesis }, ...(settles ? { keep: { ...durable, confirmed: true } } : {}) };
}
