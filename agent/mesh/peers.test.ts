import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KnownCard } from '../engine/resources.ts';
import type { Holder } from '../registry/registry.ts';
import { type PeerInputs, planPeers } from './peers.ts';
import { parseRange } from './range.ts';
import { keyOf, knownCard, link, member } from './testing/cards.ts';

const GENESIS = { uuid: 'u', founder: 'f', signature: 's' };

function plan(over: Partial<PeerInputs>) {
  return planPeers({
    ownId: 'own',
    ownKey: keyOf('own'),
    ownAddress: '10.42.0.1',
    range: parseRange('10.42.0.0/16'),
    cards: [],
    members: [],
    registry: undefined,
    links: [link('192.168.1.1', 24)],
    seen: new Map(),
    wantedBefore: new Map(),
    nowMs: 1_000_000,
    ...over,
  });
}

const registry = (over: Partial<NonNullable<PeerInputs['registry']>> = {}) => ({
  addresses: {},
  holders: [],
  evicted: [],
  ...over,
});
const holder = (id: string, address: string, fence: string): Holder => ({
  role: address,
  id,
  address,
  fence,
  since: '',
});

test('a card becomes a peer with its address and the endpoint where Serf sees it', () => {
  const [peer] = plan({ cards: [knownCard('a')], members: [member('a', '192.168.1.50')] });
  assert.deepEqual(peer, {
    id: 'a',
    publicKey: keyOf('a'),
    address: '10.42.0.9',
    allowedIps: ['10.42.0.9/32'],
    endpoint: '192.168.1.50:51820',
    wanted: '192.168.1.50:51820',
    keepalive: undefined,
    alive: true,
  });
});

test('the endpoint is where Serf sees it, else where it proved itself, else what its card says, nearest first', () => {
  const known = knownCard('a', { addresses: ['10.9.9.9', '192.168.1.7'] }, '192.168.1.77');
  const endpoint = (over: Partial<PeerInputs>) => plan({ cards: [known], ...over })[0]?.endpoint;
  assert.equal(
    endpoint({ members: [member('a', '192.168.1.5', { status: 'failed' })] }),
    '192.168.1.5:51820',
  );
  assert.equal(
    endpoint({ members: [member('a', '192.168.1.5', { status: 'left', sinceMs: 999_999 })] }),
    '192.168.1.77:51820',
  );
  assert.equal(endpoint({}), '192.168.1.77:51820');
  assert.equal(endpoint({ cards: [knownCard('a', known.card)] }), '192.168.1.7:51820');
  assert.equal(endpoint({ cards: [knownCard('a', known.card)], links: [] }), '10.9.9.9:51820');
  assert.equal(endpoint({ cards: [knownCard('a', { addresses: ['FD00:0::1'] })] }), '[fd00::1]:51820');
  assert.equal(
    endpoint({ cards: [knownCard('a', { addresses: ['fe80::1', 'host', '1.2.3.4\nX=1'] })] }),
    undefined,
  );
});

test('a peer behind a translator is kept alive, one on our LAN is not', () => {
  const keepalive = (address: string, own: string) =>
    plan({ cards: [knownCard('a')], members: [member('a', address)], links: [link(own, 24)] })[0]?.keepalive;
  assert.equal(keepalive('192.168.1.9', '192.168.1.1'), undefined);
  assert.equal(keepalive('10.1.1.1', '192.168.1.1'), 25);
  assert.equal(keepalive('10.1.1.1', '8.8.8.8'), undefined);
});

test('evicted nodes, those that left for a while, and ourselves are no peers', () => {
  const cards = [
    knownCard('evicted', { meshAddress: '10.42.0.2' }),
    knownCard('left', { meshAddress: '10.42.0.3' }),
    knownCard('leaving', { meshAddress: '10.42.0.4' }),
    knownCard('own', { meshAddress: '10.42.0.5' }),
    knownCard('thief', { meshAddress: '10.42.0.6', meshKey: keyOf('own') }),
    knownCard('twin', { meshAddress: '10.42.0.1' }),
  ];
  const members = [
    member('left', '192.168.1.3', { status: 'left', sinceMs: 900_000 }),
    member('leaving', '192.168.1.4', { status: 'left', sinceMs: 990_000 }),
  ];
  const peers = plan({ cards, members, registry: registry({ evicted: ['evicted'] }) });
  assert.deepEqual(
    peers.map(({ id }) => id),
    ['leaving'],
  );
});

test('a machine that gossip and the registry have forgotten is a peer no more, unless it has just shown itself', () => {
  const gone = knownCard('gone', { meshAddress: '10.42.0.2' });
  const nodes = [{ id: 'other', signed: gone.signed, registeredAt: '' }];
  const idsOf = (over: Partial<PeerInputs>) => plan({ cards: [gone], ...over }).map(({ id }) => id);
  assert.deepEqual(idsOf({ registry: registry({ nodes }) }), []);
  assert.deepEqual(idsOf({ registry: registry({ nodes }), cards: [{ ...gone, provenMs: 900_000 }] }), [
    'gone',
  ]);
  assert.deepEqual(idsOf({ registry: registry({ nodes }), members: [member('gone', '192.168.1.2')] }), [
    'gone',
  ]);
  assert.deepEqual(idsOf({ registry: registry({ nodes: nodes.map((node) => ({ ...node, id: 'gone' })) }) }), [
    'gone',
  ]);
  // Before there is a registry everybody counts.
  assert.deepEqual(idsOf({ registry: registry() }), ['gone']);
});

test('a card that could break the configuration is no peer', () => {
  const bad = [
    { meshKey: 'short' },
    { meshKey: `${keyOf('x').slice(0, -1)}\n` },
    { meshAddress: '10.42.255.1' },
    { meshAddress: '10.43.0.1' },
    { meshAddress: '10.42.0.0' },
    { meshAddress: '0.0.0.0' },
  ];
  for (const over of bad) assert.deepEqual(plan({ cards: [knownCard('a', over)] }), [], JSON.stringify(over));
});

test('of two nodes with one address one is a peer: by the registry, by the cluster, by the lower id', () => {
  const winner = (over: Partial<PeerInputs>) => {
    const cards = [...(over.cards ?? [knownCard('b'), knownCard('a')])];
    const ids = (order: KnownCard[]) => plan({ ...over, cards: order }).map(({ id }) => id);
    const forward = ids(cards);
    assert.deepEqual(ids(cards.toReversed()), forward);
    return forward;
  };
  assert.deepEqual(winner({}), ['a']);
  assert.deepEqual(winner({ cards: [knownCard('b', { genesis: GENESIS }), knownCard('a')] }), ['b']);
  assert.deepEqual(winner({ registry: registry({ addresses: { '10.42.0.9': 'b' } }) }), ['b']);
  assert.deepEqual(winner({ registry: registry({ addresses: { '10.42.0.9': 'absent' } }) }), []);
});

test('of two nodes with one key one is a peer', () => {
  const cards = [knownCard('a', { meshAddress: '10.42.0.2' }), knownCard('b', { meshKey: keyOf('a') })];
  assert.deepEqual(
    plan({ cards }).map(({ id }) => id),
    ['a'],
  );
});

test('a service address belongs to the holder with the latest lease, and to no node of a wrong address', () => {
  const cards = [knownCard('a'), knownCard('b', { meshAddress: '10.42.0.8' })];
  const holders = [
    holder('a', '10.42.255.1', '9'),
    holder('b', '10.42.255.1', '10'),
    holder('a', '10.42.255.2', '3'),
    holder('own', '10.42.255.3', '4'),
    holder('a', '10.42.255.3', '3'),
    holder('a', '10.42.0.8', '99'),
    holder('a', '0.0.0.0', '99'),
    holder('a', '10.42.255.9', 'x'),
  ];
  assert.deepEqual(
    plan({ cards, registry: registry({ holders }) }).map(({ id, allowedIps }) => [id, ...allowedIps]),
    [
      ['a', '10.42.0.9/32', '10.42.255.2/32'],
      ['b', '10.42.0.8/32', '10.42.255.1/32'],
    ],
  );
});

test('no allowed IP has two owners, whatever the cards and leases say', () => {
  const cards = Array.from({ length: 200 }, (_, n) =>
    knownCard(`node${n}`, { meshAddress: `10.42.0.${1 + (n % 90)}`, meshKey: keyOf(`k${n % 150}`) }),
  );
  const holders = Array.from({ length: 60 }, (_, n) =>
    holder(`node${n}`, `10.42.255.${1 + (n % 9)}`, `${n}`),
  );
  const ips = plan({ cards, registry: registry({ holders }) }).flatMap(({ allowedIps }) => allowedIps);
  assert.equal(new Set(ips).size, ips.length);
});

test('where a peer has roamed stands while its session lives, unless Serf sees it elsewhere', () => {
  const roamed = (age: number | undefined, before: string | undefined) =>
    plan({
      cards: [knownCard('a')],
      members: [member('a', '192.168.1.50')],
      seen: new Map([[keyOf('a'), { endpoint: '172.16.0.1:999', handshakeAge: age }]]),
      wantedBefore: before === undefined ? new Map() : new Map([['a', before]]),
    })[0]?.endpoint;
  assert.equal(roamed(10, '192.168.1.50:51820'), '172.16.0.1:999');
  assert.equal(roamed(10, undefined), '172.16.0.1:999');
  assert.equal(roamed(10, '192.168.1.49:51820'), '192.168.1.50:51820');
  assert.equal(roamed(200, '192.168.1.50:51820'), '192.168.1.50:51820');
  assert.equal(roamed(undefined, '192.168.1.50:51820'), '192.168.1.50:51820');
});
