import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DumpedPeer } from './config.ts';
import {
  ageClass,
  type Contacts,
  isHurried,
  observe,
  planProbes,
  probed,
  unreachable,
} from './handshakes.ts';
import type { PlannedPeer } from './peers.ts';

const NEVER = new Map();
const seen = (publicKey: string, handshake?: number): DumpedPeer => ({
  publicKey,
  endpoint: undefined,
  allowedIps: [],
  handshake,
  received: 0,
  sent: 0,
  keepalive: undefined,
});
const peer = (publicKey: string, over: Partial<PlannedPeer> = {}): PlannedPeer => ({
  id: publicKey,
  publicKey,
  address: '10.42.0.9',
  allowedIps: [],
  endpoint: '192.168.1.9:51820',
  wanted: undefined,
  keepalive: undefined,
  alive: true,
  ...over,
});

test('an age is told in classes, so that a mesh at rest does not change', () => {
  const contacts = observe(NEVER, [seen('a', 1_000), seen('b')], 0, 1_005);
  assert.equal(ageClass(contacts.get('a'), 0), 0);
  assert.equal(ageClass(contacts.get('a'), 174_000), 0);
  assert.equal(ageClass(contacts.get('a'), 176_000), 180);
  assert.equal(ageClass(contacts.get('b'), 0), undefined);
  assert.equal(ageClass(undefined, 0), undefined);
});

test('a wall clock that jumps makes no session older or younger', () => {
  let contacts: Contacts = observe(NEVER, [seen('a', 1_000)], 0, 1_001);
  contacts = observe(contacts, [seen('a', 1_000)], 10_000, 999_999);
  assert.equal(ageClass(contacts.get('a'), 10_000), 0);
  contacts = observe(contacts, [seen('a', 500)], 200_000, 10);
  assert.equal(ageClass(contacts.get('a'), 200_000), 0);
});

test('a node is knocked at with growing pauses until it answers, and then left in peace', () => {
  const times: number[] = [];
  let contacts: Contacts = observe(NEVER, [seen('a')], 0, 0);
  for (let now = 0; now < 300_000; now += 1_000) {
    contacts = observe(contacts, [seen('a')], now, 0);
    const due = planProbes([peer('a')], contacts, now);
    if (due.length > 0) times.push(now / 1000);
    contacts = probed(contacts, due, now);
  }
  assert.deepEqual(times, [0, 5, 15, 35, 75, 135, 195, 255]);
  contacts = observe(contacts, [seen('a', 9)], 300_000, 9);
  assert.deepEqual(planProbes([peer('a')], contacts, 310_000), []);
  assert.deepEqual(unreachable([peer('a')], contacts, 310_000), []);
});

test('a node that is alive and was not heard for ten minutes is looked at, a dead one is not', () => {
  const contacts = observe(NEVER, [seen('a', 10)], 0, 10);
  assert.equal(planProbes([peer('a')], contacts, 599_000).length, 0);
  assert.equal(planProbes([peer('a')], contacts, 601_000).length, 1);
  assert.equal(planProbes([peer('a', { alive: false })], contacts, 601_000).length, 0);
  assert.equal(planProbes([peer('a', { endpoint: undefined })], NEVER, 0).length, 0);
});

test('many new nodes are knocked at a few at a time, each of them soon', () => {
  const peers = Array.from({ length: 200 }, (_, n) => peer(`k${n}`));
  let contacts: Contacts = NEVER;
  const reached = new Set<string>();
  for (let pass = 0; pass < 13; pass++) {
    const due = planProbes(peers, contacts, pass);
    assert.ok(due.length <= 16);
    for (const { id } of due) reached.add(id);
    contacts = probed(contacts, due, pass);
  }
  assert.equal(reached.size, 200);
});

test('who does not answer for 30 s though Serf sees him is told, and looked at less often', () => {
  const contacts = probed(observe(NEVER, [seen('a')], 0, 0), [peer('a')], 0);
  assert.deepEqual(unreachable([peer('a')], contacts, 29_000), []);
  assert.ok(isHurried([peer('a')], contacts, 29_000));
  assert.deepEqual(
    unreachable([peer('a')], contacts, 31_000).map(({ id }) => id),
    ['a'],
  );
  assert.ok(!isHurried([peer('a')], contacts, 31_000));
  assert.deepEqual(unreachable([peer('a', { alive: false })], contacts, 31_000), []);
});

test('peers that are gone are forgotten', () => {
  const contacts = observe(NEVER, [seen('a'), seen('b')], 0, 0);
  assert.deepEqual([...observe(contacts, [seen('b')], 1, 1).keys()], ['b']);
});
