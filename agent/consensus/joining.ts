import type { PastState } from '../discovery/own-past.ts';
import type { UnitState } from '../engine/units.ts';
import type { Durable } from './durable.ts';
import type { EtcdMember } from './etcd/types.ts';

/** What a node knows when it decides what etcd should do here. */
export interface JoiningFacts {
  readonly durable: Durable;
  readonly self: string;
  readonly ownPeerUrl: string;
  readonly hasData: boolean;
  /** Whether the data may be old: it votes only when it is not. */
  readonly past: PastState;
  readonly unit: UnitState['state'];
  /** As a majority has them; undefined while none answers. */
  readonly members?: readonly EtcdMember[] | undefined;
  /** Node id by peer URL, from the cards: a member that has not started has no name. */
  readonly idOf: (peerUrl: string) => string | undefined;
  /** Monotonic ms since when the members do not name us although etcd runs here. */
  readonly absentSinceMs?: number | undefined;
  readonly nowMs: number;
}

export type JoiningStep =
  /** etcd runs here; leave it alone. */
  | { readonly kind: 'run' }
  | {
      readonly kind: 'start';
      readonly state: 'new' | 'existing';
      readonly members: Readonly<Record<string, string>>;
    }
  /** Stop etcd if it runs, put its data away. */
  | { readonly kind: 'set-aside'; readonly why: string }
  /** Others vote; we are their client until we are added. */
  | { readonly kind: 'client' }
  /** A member by our address is known and has data that we have not: the leader must remove it first. */
  | { readonly kind: 'report-lost' }
  /** The data on the disk may be old, or is: others are asked first, or an operator has to decide. */
  | { readonly kind: 'hold'; readonly past: Exclude<PastState, 'current'> }
  | { readonly kind: 'wait' };

/** etcd notices within seconds that it was removed; then it ends by itself. */
const ABSENT_MS = 20_000;

/**
 * What etcd should do on this node. Data on the disk is started with, never deleted, and not while it may be older
 * than what this node has told others: a voter that forgets breaks Raft. `new` is for the founder, once. Pure.
 */
export function planJoining(facts: JoiningFacts): JoiningStep {
  const { durable, self, ownPeerUrl, hasData, unit, members } = facts;
  if (durable.staleData) return { kind: 'set-aside', why: 'it is of a cluster that this node has left' };
  if (durable.genesis === undefined) return { kind: 'wait' };
  const own = members?.find(
    (member) => member.name === self || (member.name === '' && member.peerUrls.includes(ownPeerUrl)),
  );
  if (unit === 'running') {
    const absent = members !== undefined && own === undefined && facts.absentSinceMs !== undefined;
    const removed = absent && facts.nowMs - (facts.absentSinceMs ?? facts.nowMs) >= ABSENT_MS;
    return removed ? { kind: 'set-aside', why: 'the cluster has removed this member' } : { kind: 'run' };
  }
  if (hasData) {
    if (members !== undefined && own === undefined)
      return { kind: 'set-aside', why: 'the cluster has removed this member' };
    // Added anew while older data lies here: that is of a membership that has ended.
    if (own?.name === '') return { kind: 'set-aside', why: 'it is of an earlier membership' };
    if (facts.past !== 'current') return { kind: 'hold', past: facts.past };
    return { kind: 'start', state: 'existing', members: { [self]: ownPeerUrl } };
  }
  if (durable.genesis.founder === self && !durable.started) {
    return mayBegin(durable)
      ? { kind: 'start', state: 'new', members: { [self]: ownPeerUrl } }
      : { kind: 'wait' };
  }
  if (members === undefined) return { kind: 'wait' };
  if (own === undefined) return { kind: 'client' };
  if (own.name !== '') return { kind: 'report-lost' };
  return { kind: 'start', state: 'existing', members: initialCluster(facts, members) };
}

/**
 * Whether the founder may start etcd for its genesis. One that the expected machines vote on may still lose to a
 * later round (genesis.ts): it stands when a majority carries it. Pure.
 */
export function mayBegin({ genesis, confirmed }: Durable): boolean {
  return genesis !== undefined && (confirmed === true || genesis.expect === undefined);
}

/** etcd wants a name for each peer URL, also for those that have not told theirs. */
function initialCluster(
  { self, ownPeerUrl, idOf }: JoiningFacts,
  members: readonly EtcdMember[],
): Readonly<Record<string, string>> {
  const entries = members.map((member) => {
    const [url = ''] = member.peerUrls;
    if (url === ownPeerUrl) return [self, url] as const;
    return [member.name || (idOf(url) ?? `member-${member.id}`), url] as const;
  });
  return Object.fromEntries(entries);
}
