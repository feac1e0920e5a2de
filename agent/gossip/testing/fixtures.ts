import type { Card, Contact, KnownCard, Link, Member } from '../../engine/resources.ts';

export function link(name: string, index: number, ...addresses: string[]): Link {
  return {
    name,
    index,
    mac: '02:00:00:00:00:01',
    multicast: true,
    addresses: addresses.map((address) => ({
      address,
      family: address.includes(':') ? 'IPv6' : 'IPv4',
      prefix: address.includes(':') ? 64 : address.startsWith('169.254') ? 16 : 24,
    })),
  };
}

export function contact(address: string, more: Partial<Contact> = {}): Contact {
  return { address, peerPort: 7947, via: 'beacon', heardMs: 0, ...more };
}

export function member(id: string, address: string, more: Partial<Member> = {}): Member {
  return { id, address, port: 7946, status: 'alive', tags: {}, sinceMs: 0, ...more };
}

export function knownCard(
  id: string,
  addresses: readonly string[],
  more: Partial<KnownCard> & { gossipPort?: number } = {},
): KnownCard {
  const { gossipPort = 7946, ...rest } = more;
  const card: Card = {
    version: 1,
    id,
    name: id,
    sequence: 1,
    meshKey: '',
    meshAddress: '10.42.0.1',
    addresses,
    ports: { gossip: gossipPort, peer: 7947, mesh: 51820, raft: 7373, etcd: 7374 },
    versions: { agent: '0', image: 'none', serf: '0.9.4', etcd: '3.4.23' },
  };
  return { card, signed: { body: '', signature: '', mac: '' }, hash: '0', ...rest };
}
