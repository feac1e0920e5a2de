import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countMembers } from './member-counts.ts';

test('who left or was evicted is not counted, and who is absent only as a part of the cluster', () => {
  const members = (['alive', 'leaving', 'left', 'failed', 'absent'] as const).flatMap((status) => [
    { status, evicted: false },
    { status, evicted: true },
  ]);
  assert.deepEqual(countMembers(members), { all: 4, known: 3, alive: 1 });
  assert.deepEqual(countMembers(undefined), { all: 0, known: 0, alive: 0 });
});
