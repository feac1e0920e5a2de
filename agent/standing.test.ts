import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRefusals } from './discovery/refusals.ts';
import type { Facts } from './gather.ts';
import { createLog } from './log.ts';
import { inWallTime, standingOf } from './standing.ts';
import type { FoundCondition } from './status.ts';

/** As far as it is looked at: a node with identity, settings and key. */
const FACTS = { identity: {}, key: Buffer.alloc(32), settings: {}, spoilt: [], seed: [] } as unknown as Facts;
const WAITS: FoundCondition = { code: 'mesh.down', state: 'waiting', summary: 'waits', endedBy: 'time' };
/** What a clock without a battery believes, and what it really is. */
const [BELIEVED, REALLY] = [Date.parse('1970-01-01T00:00:00Z'), Date.parse('2026-01-01T00:00:00Z')];

test('a node whose clock is set by half a century is what it is for as long as before', () => {
  const before = standingOf(FACTS, [WAITS], undefined, 10_000);
  const wrong = inWallTime(before, 4_000, 10_000, new Date(BELIEVED + 10_000));
  assert.equal(wrong.since, '1970-01-01T00:00:10.000Z');
  const after = standingOf(FACTS, [WAITS], before, 40_000);
  const { since, startedAt, conditions } = inWallTime(after, 4_000, 40_000, new Date(REALLY));
  assert.equal(since, '2025-12-31T23:59:30.000Z');
  assert.equal(startedAt, '2025-12-31T23:59:24.000Z');
  assert.deepEqual(conditions, [{ ...WAITS, since }]);
});

test('a state and a condition begin anew when they change, and only then', () => {
  const first = standingOf(undefined, [], undefined, 1_000);
  assert.deepEqual([first.state, first.sinceMs], ['starting', 1_000]);
  assert.equal(standingOf(undefined, [], first, 2_000).sinceMs, 1_000);
  const waiting = standingOf(FACTS, [WAITS], first, 3_000);
  const more = standingOf(FACTS, [WAITS, { ...WAITS, code: 'other' }], waiting, 4_000);
  assert.equal(more.sinceMs, 3_000);
  assert.deepEqual(
    more.conditions.map(({ sinceMs }) => sinceMs),
    [3_000, 4_000],
  );
  const ready = standingOf(FACTS, [], more, 5_000);
  assert.deepEqual([ready.state, ready.sinceMs], ['ready', 5_000]);
  assert.equal(standingOf(FACTS, [WAITS], ready, 6_000).conditions[0]?.sinceMs, 6_000);
});

test('the ages of refused peers do not change with the clock either', () => {
  let [nowMs, wall] = [5_000, BELIEVED];
  const refusals = createRefusals({
    log: createLog({ write: () => {} }),
    now: () => nowMs,
    wallClock: () => new Date(wall),
  });
  refusals.record('192.168.1.9', 'other-key', 'it has another key');
  [nowMs, wall] = [65_000, REALLY];
  const [refusal] = refusals.list();
  assert.deepEqual([refusal?.first, refusal?.last], ['2025-12-31T23:59:00.000Z', '2025-12-31T23:59:00.000Z']);
});
