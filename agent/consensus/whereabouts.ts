import { endpointsOf } from './cluster-look.ts';
import { clientUrlOf, peerUrlOf } from './etcd/config.ts';
import type { EtcdMember } from './etcd/types.ts';
import type { MemberInputs } from './member.ts';

export const ASKED_AT_ONCE = 8;

/**
 * Whom to ask at this look: the voters that are known, then whoever carries our genesis, those that are here first.
 * Among many nodes few vote: each look in vain goes on where the last one ended. Pure.
 *
 * @param looksInVain 0 while a majority answers
 */
export function otherEndpoints(
  { cards, mesh, present, self }: Pick<MemberInputs, 'cards' | 'mesh' | 'present' | 'self'>,
  members: readonly EtcdMember[],
  uuid: string | undefined,
  looksInVain: number,
): string[] {
  const carriers = cards
    .filter(({ card }) => card.id !== self && card.genesis?.uuid === uuid && uuid !== undefined)
    .sort((a, b) => Number(present.includes(b.card.id)) - Number(present.includes(a.card.id)))
    .map(({ card }) => {
      const address = mesh?.peers.find(({ id }) => id === card.id)?.address ?? card.meshAddress;
      return clientUrlOf(address, card.ports.etcd);
    });
  const voters = endpointsOf(members.filter(({ name }) => name !== self));
  if (looksInVain === 0 && voters.length > 0) return voters.slice(0, ASKED_AT_ONCE);
  const strangers = carriers.filter((url) => !voters.includes(url));
  const room = Math.max(1, ASKED_AT_ONCE - voters.length);
  const from = strangers.length > room ? (looksInVain * room) % strangers.length : 0;
  const turned = [...strangers.slice(from), ...strangers.slice(0, from)];
  return [...voters.slice(0, ASKED_AT_ONCE - 1), ...turned.slice(0, room)];
}

/** Ids of the other nodes of our cluster that are here. Pure. */
export function carriersHere(
  { cards, present }: Pick<MemberInputs, 'cards' | 'present'>,
  uuid: string | undefined,
): string[] {
  return cards
    .filter(({ card }) => card.genesis?.uuid === uuid && present.includes(card.id))
    .map(({ card }) => card.id);
}

/** The node that has this peer URL. */
export function idBehind({ cards, mesh }: MemberInputs, url: string): string | undefined {
  return cards.find(({ card }) => {
    const address = mesh?.peers.find(({ id }) => id === card.id)?.address ?? card.meshAddress;
    return peerUrlOf(address, card.ports.raft) === url;
  })?.card.id;
}
