import assert from 'node:assert/strict';
import { test } from 'node:test';
import { udpEcho } from '../host.ts';
import { blackHoles, duePaths, keptPaths, mtuFor, type Path, sizesBelow, UNLIMITED } from './path-mtu.ts';
import type { PlannedPeer } from './peers.ts';

const peer = (id: string, endpoint: string | undefined = `${id}:51820`): PlannedPeer => ({
  ...{ id, publicKey: id, address: '10.42.0.1', allowedIps: [], endpoint, wanted: endpoint },
  ...{ keepalive: undefined, alive: true },
});
const path = (id: string, over: Partial<Path> = {}): [string, Path] => [
  id,
  { endpoint: `${id}:51820`, carries: UNLIMITED, measuredMs: 0, checkedMs: 0, ...over },
];
const contact = (handshakeMs: number) => ({
  ...{ stamp: 1, handshakeMs, probes: 0, firstProbeMs: undefined, lastProbeMs: undefined },
});

test('the mesh sends what every path carries, and never less than 1280 bytes', () => {
  assert.equal(mtuFor(new Map(), 1420), 1420);
  assert.equal(mtuFor(new Map([path('a'), path('b', { carries: 1328 })]), 1420), 1328);
  assert.equal(mtuFor(new Map([path('a', { carries: 0 })]), 1420), 1280);
  assert.deepEqual(sizesBelow(1328), [1312, 1296, 1280]);
});

test('a small path holds the mesh down until its peer is gone or has moved, or for six hours', () => {
  const paths = new Map([path('a', { carries: 1328 })]);
  const kept = (peers: PlannedPeer[], nowMs: number) => mtuFor(keptPaths(peers, paths, nowMs), 1420);
  assert.equal(kept([peer('a')], 3_600_000), 1328);
  assert.equal(kept([], 1), 1420);
  assert.equal(kept([peer('a', '192.0.2.9:51820')], 1), 1420);
  assert.equal(kept([peer('a')], 7 * 3_600_000), 1420);
});

test('a path is measured once there is a session, then each minute, a few at a time', () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  const contacts = new Map(ids.map((id) => [id, contact(0)]));
  const due = (paths: [string, Path][], nowMs: number, peers = ids.map((id) => peer(id))) =>
    duePaths(peers, contacts, new Map(paths), nowMs).map(({ id }) => id);
  assert.deepEqual(due([], 1), ['a', 'b', 'c', 'd']);
  const all = ids.map((id) => path(id, { checkedMs: id === 'a' ? 0 : 50_000 }));
  assert.deepEqual(due(all, 61_000), ['a']);
  assert.deepEqual(due(all, 61_000, [peer('b', '192.0.2.9:1')]), ['b']);
  assert.deepEqual(due([], 1_000_000), []);
});

test('peers that not even the smallest size reaches are a condition that names them and the size', () => {
  const found = blackHoles(
    [peer('a'), peer('b')],
    new Map([path('a', { carries: 0 }), path('b')]),
    (id) => `node ${id}`,
  );
  assert.equal(found.length, 1);
  assert.match(found[0]?.summary ?? '', /1280 bytes do not reach node a at a:51820$/);
});

test('an echo comes back in the size in which it went, and silence is no answer', async (t) => {
  // Other runs of this test on this machine have other addresses.
  const at = (port: number) => ({ address: `127.1.${(process.pid >> 8) & 255}.${process.pid & 255}`, port });
  const one = await udpEcho.openUdpEcho(at(47_374), { timeoutMs: 5_000 });
  const other = await udpEcho.openUdpEcho(at(47_375), { timeoutMs: 100 });
  t.after(() => {
    one.close();
    other.close();
  });
  assert.ok(await one.probe(at(47_375), 1_392));
  assert.equal(await other.probe(at(9), 100), false);
});
