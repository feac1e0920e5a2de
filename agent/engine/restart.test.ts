import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_POLICY, failed, mayTry, NO_FAILURES, pauseOf } from './restart.ts';

test('pauses double up to the longest, and a long quiet time starts anew', () => {
  let state = NO_FAILURES;
  const pauses: number[] = [];
  let nowMs = 0;
  for (let round = 0; round < 9; round += 1) {
    state = failed(state, nowMs);
    pauses.push(pauseOf(state));
    assert.ok(!mayTry(state, nowMs + pauseOf(state) - 1));
    nowMs += pauseOf(state);
    assert.ok(mayTry(state, nowMs));
  }
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  state = failed(state, nowMs + DEFAULT_POLICY.forgiveMs + 30_001);
  assert.equal(pauseOf(state), 500);
});

test('what never failed may be tried at once', () => {
  assert.ok(mayTry(NO_FAILURES, 0));
  assert.equal(pauseOf(NO_FAILURES), 0);
});
