import type { Card, KnownCard, Link, Member } from '../../engine/resources.ts';

/** A verified card as others would show it; signatures play no part in the mesh. */
export function knownCard(id: string, over: Partial<Card> = {}, address?: string): KnownCard {
  const card: Card = {
    version: 1,
    id,
    name: id,
    sequence: 1,
    meshKey: keyOf(id),
    meshAddress: '10.42.0.9',
    addresses: ['192.168.1.9'],
    ports: { gossip: 7946, peer: 7947, mesh: 51820, raft: 7373, etcd: 7374 },
    versions: { agent: '0', image: '0', serf: '0', etcd: '0' },
    ...over,
  };
  const signed = { body: '', signature: '', mac: '' };
  return { card, signed, hash: '', ...(address === undefined ? {} : { address, provenMs: 0 }) };
}

/** Some base64 of 32 bytes, another for each id. */
export function keyOf(id: string): string {
  return Buffer.alloc(32, `${id}#`).toString('base64');
}

export function member(id: string, address: string, over: Partial<Member> = {}): Member {
  return { id, address, port: 7946, status: 'alive', tags: {}, sinceMs: 0, ...over };
}

export function link(address: string, prefix: number, name = 'eth0'): Link {
  return { name, index: 2, mac: '', addresses: [{ family: 'IPv4', address, prefix }], multicast: true };
}
