import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGuard } from './guard.ts';

test('the watch is close while a role is held, by the shortest lease, and as usual afterwards', async () => {
  const limits: (number | undefined)[] = [];
  const guard = createGuard(async (limitMs) => void limits.push(limitMs));
  await guard.end('page');
  assert.deepEqual(limits, [], 'what was not held changes nothing');
  await guard.begin('page', 20_000);
  await guard.begin('slurm', 10_000);
  await guard.begin('page', 20_000);
  await guard.end('slurm');
  await guard.end('slurm');
  await guard.end('page');
  assert.deepEqual(limits, [12_000, 6_000, 6_000, 12_000, undefined]);
});
