// needs: cpu 0.4
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plugCable } from './testing/namespaces.ts';
import { identityOf, keyOf } from './testing/peers.ts';

const [ONE, TWO] = [identityOf(1).id, identityOf(2).id];
const NFT = (chain: string, rule: string) =>
  `add table inet t; add chain inet t c { type filter hook ${chain} priority 0; }; add rule inet t c ${rule}`;

test('two machines on a cable find each other and hold each other’s card, without any route to elsewhere', async (t) => {
  const cable = plugCable(t);
  assert.doesNotMatch(cable.run(0, 'ip', 'route'), /default|224/);
  const [a, b] = [cable.node(0, '1', '1'), cable.node(1, '1', '2')];
  const [seenA, seenB] = await Promise.all([
    a.until('card of two', ({ cards }) => cards.some(({ id }) => id === TWO)),
    b.until('card of one', ({ cards }) => cards.some(({ id }) => id === ONE)),
  ]);
  assert.equal(seenA.cards[0]?.address, '192.168.77.2');
  assert.equal(seenB.cards[0]?.address, '192.168.77.1');
  // It may have called us before its beacon was heard.
  await a.until('contact', ({ contacts }) =>
    contacts.some(({ id, via, link }) => id === TWO && via === 'beacon' && link === 'eth0'),
  );
});

test('where multicast is lost the broadcast is heard, and nothing is complained of', async (t) => {
  const cable = plugCable(t);
  for (const machine of [0, 1] as const) {
    cable.run(machine, 'nft', NFT('input', 'udp dport 5353 drop'));
    cable.run(machine, 'nft', 'add chain inet t o { type filter hook output priority 0; }');
    cable.run(machine, 'nft', 'add rule inet t o udp dport 5353 drop');
  }
  const [a] = [cable.node(0, '1', '1'), cable.node(1, '1', '2')];
  const seen = await a.until('contact', ({ contacts }) => contacts.some(({ id }) => id === TWO));
  assert.deepEqual(seen.conditions, []);
});

test('where broadcasts are lost multicast is heard', async (t) => {
  const cable = plugCable(t);
  cable.run(0, 'nft', NFT('input', 'udp dport 7947 drop'));
  const [a] = [cable.node(0, '1', '1'), cable.node(1, '1', '2')];
  await a.until('contact', ({ contacts }) => contacts.some(({ id }) => id === TWO));
});

test('where neither may be sent the node says so, and stops saying so when it may', async (t) => {
  const cable = plugCable(t);
  cable.run(0, 'nft', NFT('output', 'udp dport { 5353, 7947 } drop'));
  const a = cable.node(0, '1', '1');
  await a.until('condition', ({ conditions }) => conditions.includes('discovery.multicast'));
  cable.run(0, 'nft', 'delete table inet t');
  await a.until('no condition', ({ conditions }) => conditions.length === 0);
});

test('machines on a LAN with IPv6 alone find each other, and no voice at all is told', async (t) => {
  const cable = plugCable(t);
  for (const machine of [0, 1] as const) {
    cable.run(machine, 'ip', 'address', 'flush', 'dev', 'eth0');
    cable.run(machine, 'ip', 'address', 'add', `fd00:5::${machine + 1}/64`, 'dev', 'eth0', 'nodad');
  }
  const [a, b] = [cable.node(0, '1', '1'), cable.node(1, '1', '2')];
  const seen = await a.until('contact', ({ contacts }) => contacts.some(({ id }) => id === TWO), 60_000);
  assert.deepEqual(
    [seen.contacts[0]?.address, seen.contacts[0]?.link, seen.conditions],
    ['fd00:5::2', 'eth0', []],
  );
  const { cards } = await b.until('card', (said) => said.cards.some(({ id }) => id === ONE), 60_000);
  assert.equal(cards[0]?.address, 'fd00:5::1');
  cable.run(0, 'nft', NFT('output', 'udp dport 5353 drop'));
  await a.until('condition', ({ conditions }) => conditions.includes('discovery.multicast'), 60_000);
});

test('a machine with another key is refused on both sides, and named by its address', async (t) => {
  const cable = plugCable(t);
  const [a, b] = [cable.node(0, '1', '1'), cable.node(1, '9', '2')];
  const said = ({ lines }: { lines: string[] }, mark: string) =>
    lines.some((line) => line.includes('failed authentication') && line.includes(mark));
  await a.until('refusal', () => said(a, `another (fingerprint ${keyOf(9).fingerprint})`));
  await b.until('refusal', () => said(b, `another (fingerprint ${keyOf(1).fingerprint})`));
  assert.match(a.lines.join('\n'), /peer=192\.168\.77\.2/);
  const seen = await a.until('a report', () => true);
  assert.deepEqual([seen.contacts, seen.cards], [[], []]);
});

test('an address that changes is noticed by both, and a link that goes and returns is used again', async (t) => {
  const cable = plugCable(t);
  const [a, b] = [cable.node(0, '1', '1'), cable.node(1, '1', '2')];
  await b.until('contact', ({ contacts }) => contacts.some(({ address }) => address === '192.168.77.1'));
  cable.run(0, 'ip', 'address', 'flush', 'dev', 'eth0');
  await a.until('no link', ({ conditions }) => conditions.includes('link.none'));
  cable.run(0, 'ip', 'address', 'add', '192.168.77.50/24', 'broadcast', '+', 'dev', 'eth0');
  await a.until('new link', ({ links }) => links[0]?.addresses[0]?.address === '192.168.77.50');
  await b.until('new address', ({ contacts }) => contacts.some(({ address }) => address === '192.168.77.50'));
});

test('of two machines with one identity exactly one stands back', async (t) => {
  const cable = plugCable(t);
  const [a, b] = [cable.node(0, '1', '1'), cable.node(1, '1', '1')];
  const clone = await Promise.race([
    a.until('clone', (seen) => seen.clone && seen.conditions.includes('identity.duplicate')).then(() => b),
    b.until('clone', (seen) => seen.clone && seen.conditions.includes('identity.duplicate')).then(() => a),
  ]);
  const other = await clone.until('a report', () => true);
  assert.equal(other.clone, false);
});

test('a machine that only a join list names is found', async (t) => {
  const cable = plugCable(t);
  for (const machine of [0, 1] as const) cable.run(machine, 'nft', NFT('input', 'meta l4proto udp drop'));
  const [a] = [cable.node(0, '1', '1', '192.168.77.2:7946'), cable.node(1, '1', '2')];
  const seen = await a.until('card', ({ cards }) => cards.some(({ id }) => id === TWO));
  assert.equal(seen.contacts[0]?.via, 'join');
});
