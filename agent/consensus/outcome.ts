import type { Consensus, KnownCard, Place } from '../engine/resources.ts';
import { endpointsOf } from './cluster-look.ts';
import type { Durable } from './durable.ts';
import { QUOTA_BYTES } from './etcd/config.ts';
import type { MemberView } from './member.ts';
import type { SnapshotState } from './snapshot-keeper.ts';

/** What the other controllers learn before there is a cluster. */
export const NO_CLUSTER: Consensus = {
  confirmed: false,
  place: 'none',
  quorum: false,
  voters: [],
  learners: [],
  endpoints: [],
  alarms: [],
};

/** What the other controllers learn. Pure. */
export function consensusOf(
  durable: Durable,
  seen: MemberView,
  self: string,
  tls: Consensus['tls'],
  snapshot: SnapshotState,
): Consensus {
  const { genesis, confirmed = false, clusterId } = durable;
  if (genesis === undefined) return NO_CLUSTER;
  const { members, remembered, status, leader } = seen.look;
  const known = members ?? remembered;
  const own = known.find(({ name }) => name === self);
  const place: Place = own === undefined ? 'client' : own.learner ? 'learner' : 'voter';
  const quorum = members !== undefined;
  const names = (learner: boolean) =>
    known
      .filter((member) => member.learner === learner && member.name !== '')
      .map(({ name }) => name)
      .sort();
  return {
    genesis,
    confirmed,
    place: clusterId === undefined && own === undefined ? 'none' : place,
    quorum,
    leader: quorum ? leader : undefined,
    voters: names(false),
    learners: names(true),
    endpoints: clusterId === undefined ? [] : endpointsOf(known),
    tls,
    databaseBytes: status?.dbSize,
    quotaBytes: QUOTA_BYTES,
    alarms: seen.alarms,
    ...(seen.timers === undefined ? {} : { timers: seen.timers }),
    lastVoters: durable.voters ?? [],
    ...(durable.follow === undefined ? {} : { follow: durable.follow }),
    ...(snapshot.keeps ? { snapshot: { takenAt: snapshot.newest?.takenAt, failed: snapshot.failed } } : {}),
  };
}

/** The releases of etcd in our cluster, by node id. Pure. */
export function versionsIn(
  cards: readonly KnownCard[],
  { genesis }: Durable,
  seen: MemberView,
): Map<string, string> {
  const known = cards
    .filter(({ card }) => genesis !== undefined && card.genesis?.uuid === genesis.uuid)
    .map(({ card }) => [card.id, card.versions.etcd] as const);
  const own = seen.look.local && seen.look.status ? [['this node', seen.look.status.version] as const] : [];
  return new Map([...known, ...own]);
}

export function nameIn(cards: readonly KnownCard[], id: string): string {
  return cards.find(({ card }) => card.id === id)?.card.name ?? id;
}
