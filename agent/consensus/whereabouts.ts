import { endpointsOf } from './cluster-look.ts';
import { clientUrlOf, peerUrlOf } from './etcd/config.ts';
import type { EtcdMember } from './etcd/types.ts';
import type { MemberInputs } from './member.ts';

/** The voters that are known, then whoever carries our genesis, those that are here first. */
export function otherEndpoints(
  { cards, mesh, present, self }: MemberInputs,
  members: readonly EtcdMember[],
  uuid: string | undefined,
  current: boolean,
): string[] {
  const carriers = cards
    .filter(({ card }) => card.id !== self && card.genesis?.uuid === uuid && uuid !== undefined)
    .sort((a, b) => Number(present.includes(b.card.id)) - Number(present.includes(a.card.id)))
    .map(({ card }) => {
      const address = mesh?.peers.find(({ id }) => id === card.id)?.address ?? card.meshAddress;
      return clientUrlOf(address, card.ports.etcd);
    });
  const voters = endpointsOf(members.filter(({ name }) => name !== self));
  return current && voters.length > 0 ? voters : [...new Set([...voters, ...carriers])];
}

/** The node that has this peer URL. */
export function idBehind({ cards, mesh }: MemberInputs, url: string): string | undefined {
  return cards.find(({ card }) => {
    const address = mesh?.peers.find(({ id }) => id === card.id)?.address ?? card.meshAddress;
    return peerUrlOf(address, card.ports.raft) === url;
  })?.card.id;
}
