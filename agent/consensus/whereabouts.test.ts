import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EtcdMember } from './etcd/types.ts';
import { ASKED_AT_ONCE, otherEndpoints } from './whereabouts.ts';

type Inputs = Parameters<typeof otherEndpoints>[0];

const NODES = 45;
const ids = Array.from({ length: NODES }, (_, index) => `n${index}`);
const url = (index: number) => `https://10.42.0.${index + 1}:7374`;
const inputs = {
  self: 'newcomer',
  present: ids,
  mesh: undefined,
  cards: ids.map((id, index) => ({
    card: { id, genesis: { uuid: 'u' }, meshAddress: `10.42.0.${index + 1}`, ports: { etcd: 7374 } },
  })),
} as unknown as Inputs;
const voter = (index: number): EtcdMember => ({
  ...{ id: String(index), name: `n${index}`, learner: false },
  ...{ peerUrls: [], clientUrls: [url(index)] },
});

test('a newcomer among many nodes has asked each of them after a few looks', () => {
  const asked = new Set<string>();
  for (let look = 0; look < Math.ceil(NODES / ASKED_AT_ONCE); look += 1) {
    const now = otherEndpoints(inputs, [], 'u', look + 1);
    assert.equal(now.length, ASKED_AT_ONCE);
    for (const endpoint of now) asked.add(endpoint);
  }
  assert.equal(asked.size, NODES);
});

test('voters that are known are asked at each look, and alone once they answer', () => {
  const voters = [40, 41, 42, 43, 44];
  const known = voters.map(voter);
  const asked = new Set<string>();
  for (let look = 0; look < 14; look += 1) {
    const now = otherEndpoints(inputs, known, 'u', look + 1);
    assert.deepEqual(now.slice(0, 5), voters.map(url));
    assert.equal(now.length, ASKED_AT_ONCE);
    for (const endpoint of now) asked.add(endpoint);
  }
  assert.equal(asked.size, NODES);
  assert.deepEqual(otherEndpoints(inputs, known, 'u', 0), voters.map(url));
});
