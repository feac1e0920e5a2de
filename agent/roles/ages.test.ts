import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoleState } from '../engine/resources.ts';
import { createAges } from './ages.ts';
import type { SeenKey } from './lease.ts';
import { timingOf } from './lease.ts';
import { planRole, type Situation } from './plan.ts';

const waiting: RoleState = { role: 'page', state: 'waiting', reason: 'no quorum', endedBy: 'in 9 s' };

test('a role that waits does so since its reason began, whatever counts down meanwhile', () => {
  const ages = createAges();
  const since = (state: RoleState, nowMs: number) => ages([state], nowMs)[0]?.sinceMs;
  assert.equal(since(waiting, 1_000), 1_000);
  assert.equal(since({ ...waiting, endedBy: 'in 8 s' }, 2_000), 1_000);
  assert.equal(since({ ...waiting, reason: 'the mesh is not up' }, 3_000), 3_000);
  assert.equal(since({ role: 'page', state: 'candidate' }, 4_000), 4_000);
  assert.equal(since(waiting, 5_000), 5_000);
});

const SITUATION: Situation = {
  ...{ me: 'A', may: true, quorum: true, tenure: 'idle', turnMs: 100, backoffUntilMs: 0 },
  ...{
    lastFault: undefined,
    lastTryMs: 0,
    restUntilMs: 0,
    timing: timingOf(10),
    sighting: { key: undefined, sinceMs: 0 },
  },
};
const OWN = { id: 'A', createRevision: '1', modRevision: '2' } as SeenKey;

test('whatever keeps a node from a role has a reason that stays the same, and an end', () => {
  for (const situation of [
    { ...SITUATION, quorum: false },
    { ...SITUATION, sighting: undefined },
    { ...SITUATION, backoffUntilMs: 30_000, lastFault: 'it broke' },
    { ...SITUATION, sighting: { key: OWN, sinceMs: 0 } },
    { ...SITUATION, lastTryMs: 5_000 },
    { ...SITUATION, restUntilMs: 5_000 },
  ]) {
    const [early, late] = [planRole(situation, 1), planRole(situation, 1_500)];
    assert.ok(early.reason, JSON.stringify(early));
    assert.ok(early.endedBy, early.reason);
    assert.equal(early.reason, late.reason);
  }
});
