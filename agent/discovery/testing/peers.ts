import type { TestContext } from 'node:test';
import type { Card, SignedCard } from '../../engine/resources.ts';
import { type Identity, identityFromSeed } from '../../identity/identity.ts';
import { wireguardKeys } from '../../identity/keys.ts';
import { createLog } from '../../log.ts';
import { makeCard } from '../card.ts';
import { type ChannelDeps, type ChannelSelf, createPeerChannel, type Handler } from '../channel/channel.ts';
import { createKeyring, type DiscoveryKey } from '../cluster-keys.ts';
import { createRefusals } from '../refusals.ts';

export const RANGE = '10.42.0.0/16';

/** A cluster key of one repeated byte, derived. */
export function keyOf(byte: number): DiscoveryKey {
  const [key] = createKeyring()([Buffer.alloc(32, byte)]);
  if (key === undefined) throw new Error('no key');
  return key;
}

export function identityOf(byte: number): Identity {
  return identityFromSeed(Buffer.alloc(32, byte), new Date(0));
}

export function cardOf(identity: Identity, changes: Partial<Card> = {}): Card {
  return {
    version: 1,
    id: identity.id,
    name: 'alpha',
    sequence: 1,
    meshKey: wireguardKeys(identity.seed).publicKey.toString('base64'),
    meshAddress: '10.42.7.9',
    addresses: ['192.168.1.5', 'fd00::5'],
    ports: { gossip: 7946, peer: 7947, mesh: 51820, raft: 7373, etcd: 7374 },
    versions: { agent: '0.1.0', image: 'unknown', serf: '0.9.4', etcd: '3.4.23' },
    genesis: { uuid: 'a-b-c', founder: identity.id, signature: 'x' },
    ...changes,
  };
}

export function signedOf(byte: number, changes: Partial<Card> = {}, key = keyOf(1)): SignedCard {
  return makeCard(cardOf(identityOf(byte), changes), identityOf(byte), key.card);
}

/** A channel as a node has it, on a port of its own on loopback, with all that it logged. */
export async function startPeer(
  t: TestContext,
  byte: number,
  options: Partial<ChannelSelf> & { readonly deps?: Partial<ChannelDeps>; readonly instance?: string } = {},
  enroll: Handler = async (peer) => ({ token: peer.token ?? null }),
) {
  const { deps = {}, instance = byte.toString(16).padStart(16, '0'), ...self } = options;
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line), level: 'debug' });
  const keys = self.keys ?? [keyOf(1)];
  const refusals = createRefusals({
    log,
    now: () => performance.now(),
    wallClock: () => new Date(),
  });
  const channel = createPeerChannel({
    log,
    refusals,
    self: () => ({
      identity: identityOf(byte),
      card: signedOf(byte, {}, keys[0]),
      keys,
      tokens: [],
      evicted: new Set<string>(),
      range: RANGE,
      ...self,
    }),
    standing: () => ({ instance, memberMs: 0, duplicate: false }),
    metOurself: () => 'keeps',
    toldDuplicate: () => {},
    admit: async () => undefined,
    ...deps,
  });
  channel.handle('card', async (peer, body) => ({ hello: peer.id, body }));
  channel.handle('enroll', enroll);
  const { port } = await channel.start(0, '127.0.0.1');
  t.after(() => channel.stop());
  return { channel, refusals, lines, port, target: { address: '127.0.0.1', port }, id: identityOf(byte).id };
}
