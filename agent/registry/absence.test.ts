import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Member } from '../engine/resources.ts';
import { ABSENT_GRACE_MS, type Absences, absencesOf, lostForGood } from './absence.ts';
import type { Registry } from './registry.ts';
import { planSweep } from './sweep.ts';

const [ME, DEAD, HERE] = ['1'.repeat(43), '2'.repeat(43), '3'.repeat(43)];
const NONE: Absences = new Map();
const member = (id: string, status: Member['status'] = 'alive'): Member => ({
  ...{ id, status, sinceMs: 0, address: '192.168.1.2', port: 7946, tags: {} },
});
const signed = { body: 'e30=', signature: 'cw==', mac: 'bQ==' };
const REGISTRY: Registry = {
  nodes: [ME, DEAD, HERE].map((id) => ({ id, signed, registeredAt: 'then' })),
  addresses: { '10.42.1.1': ME, '10.42.1.2': DEAD, '10.42.1.3': HERE },
  names: { me: ME, dead: DEAD, here: HERE },
  holders: [],
  evicted: [],
  tokens: [],
};
const PRESENT = [member(ME), member(HERE)];
const swept = (members: readonly Member[], lost: readonly string[], nowMs: number) =>
  planSweep(REGISTRY, members, nowMs, lost).flatMap(({ success }) =>
    success.map(({ key }) => key.split('/').slice(3).join('/')),
  );

test('of a machine that gossip has not known for three days everything goes, and of nobody else anything', () => {
  const first = absencesOf(NONE, REGISTRY, PRESENT, ME, 1_000);
  assert.deepEqual([...first], [[DEAD, 1_000]]);
  const endMs = 1_000 + ABSENT_GRACE_MS;
  const later = absencesOf(first, REGISTRY, PRESENT, ME, endMs);
  assert.deepEqual(lostForGood(later, [ME], endMs), []);
  assert.deepEqual(lostForGood(later, [ME], endMs + 1), [DEAD]);
  assert.deepEqual(swept(PRESENT, [DEAD], endMs + 1), ['addresses/10.42.1.2', 'names/dead', `nodes/${DEAD}`]);
});

test('a voter and a learner stay however long they are absent', () => {
  const absences = new Map([[DEAD, 0]]);
  assert.deepEqual(lostForGood(absences, [ME, DEAD], 10 * ABSENT_GRACE_MS), []);
});

test('one that gossip knows in whatever state is not absent, and begins anew when it is forgotten again', () => {
  const absent = new Map([[DEAD, 0]]);
  for (const status of ['alive', 'failed', 'leaving', 'left'] as const) {
    const back = absencesOf(absent, REGISTRY, [...PRESENT, member(DEAD, status)], ME, ABSENT_GRACE_MS);
    assert.deepEqual([...back], [], status);
    const again = absencesOf(back, REGISTRY, PRESENT, ME, ABSENT_GRACE_MS * 2);
    assert.deepEqual(lostForGood(again, [], ABSENT_GRACE_MS * 2 + 1), [], status);
  }
});

test('a node whose own Serf does not run sees nobody, and takes nobody for lost', () => {
  const absent = new Map([[DEAD, 0]]);
  for (const members of [[], [member(HERE)], [member(ME, 'leaving'), member(HERE)]]) {
    assert.deepEqual([...absencesOf(absent, REGISTRY, members, ME, ABSENT_GRACE_MS * 2)], []);
  }
});

test('an address alone is swept as well, where the record of its node is gone', () => {
  const orphan = { ...REGISTRY, nodes: [], names: {} };
  const absences = absencesOf(NONE, orphan, PRESENT, ME, 0);
  assert.deepEqual(lostForGood(absences, [], ABSENT_GRACE_MS + 1), [DEAD]);
});
