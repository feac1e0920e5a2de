import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lateOf, leaseFor, type Need, nextNeed, wordsFor } from './choose.ts';
import { majorityMs, quantile } from './measure.ts';
import { compareSteps, sameEtcd, stepOf, steps } from './steps.ts';

const of = (late: number, before?: Need, nowMs = 0) => nextNeed(before, late, nowMs);

test('a slower machine needs a slower step, and nothing measured means the usual one', () => {
  const needs = [5, 160, 161, 400, 401, 2_000, 2_001, 60_000].map((late) => of(late).step);
  assert.deepEqual(needs, ['fast', 'fast', 'normal', 'normal', 'slow', 'slow', 'slowest', 'slowest']);
  assert.equal(nextNeed(undefined, undefined, 0).step, 'normal');
});

test('a need grows at once and shrinks after a minute in which a faster step had room all the time', () => {
  let need: Need = of(1_500);
  assert.equal(need.step, 'slow');
  need = of(300, need, 0);
  assert.equal(need.step, 'slow', 'within the step, but without room');
  for (let nowMs = 0; nowMs < 60_000; nowMs += 5_000) {
    need = of(100, need, nowMs);
    assert.equal(need.step, 'slow', `${nowMs}`);
  }
  assert.equal(of(100, need, 60_000).step, 'normal', 'fast has no room at 100 ms');
  const broken = of(1_000, need, 55_000);
  assert.equal(broken.fasterSinceMs, undefined, 'one look that is late begins the minute again');
  assert.equal(of(5_000, need, 56_000).step, 'slowest');
});

test('a machine whose lateness swings round a limit does not change its need with each look', () => {
  let need: Need | undefined;
  let changes = 0;
  for (let look = 0; look < 1_000; look += 1) {
    const next = nextNeed(need, look % 2 === 0 ? 390 : 410, look * 5_000);
    if (need !== undefined && next.step !== need.step) changes += 1;
    need = next;
  }
  assert.equal(changes, 1);
});

test('each step bears what it must: beats, elections and limits grow together', () => {
  for (const [at, step] of steps().entries()) {
    const faster = steps()[at - 1];
    assert.ok(step.electionMs >= 10 * step.heartbeatMs && step.electionMs <= 50_000, step.name);
    assert.ok(step.leaseSeconds * 1_000 >= 4 * step.electionMs, `${step.name}: a lease outlives elections`);
    if (step.lateMs !== Number.POSITIVE_INFINITY) {
      assert.ok(step.lateMs * 2 < step.electionMs, `${step.name}: no election for a late beat`);
      assert.ok(step.lateMs * 4 < step.leaseSeconds * 1_000, `${step.name}: a beat fits its lease`);
    }
    if (faster === undefined) continue;
    assert.ok(compareSteps(step.name, faster.name) > 0);
    for (const limit of ['callMs', 'answerMs', 'graceSeconds', 'slack'] as const) {
      assert.ok(step[limit] >= faster[limit], `${step.name}: ${limit}`);
    }
    assert.ok(step.leaseSeconds > faster.leaseSeconds && step.lateMs > faster.lateMs);
  }
  assert.ok(sameEtcd('fast', 'normal') && !sameEtcd('normal', 'slow'));
  assert.equal(stepOf('fast').leaseSeconds, 4);
});

test('a lease is what the slower of cluster and machine needs, and no shorter than was asked for', () => {
  assert.equal(leaseFor('fast', 'fast', undefined), 4);
  assert.equal(leaseFor('fast', 'fast', 10), 10);
  assert.equal(leaseFor('fast', 'slow', undefined), 30, 'a node that is slow alone');
  assert.equal(leaseFor('slow', 'normal', 10), 30, 'too short a wish');
});

test('the reason names the worst cause, and late is all of them one after the other', () => {
  const lateness = { diskMs: 310, schedulingMs: 20, networkMs: 5 };
  assert.equal(lateOf(lateness), 335);
  assert.equal(wordsFor(lateness), 'the disk takes 310 ms to sync');
  assert.match(wordsFor({ diskMs: 1, schedulingMs: 812.4 }), /wake up 812 ms late/);
  assert.equal(quantile([5, 1, 9], 0.95), 9);
  assert.equal(quantile([], 0.9), 0);
});

test('the network is as late as the majority answers: one voter with a loose cable slows down nobody else', () => {
  assert.equal(majorityMs(2, [4_856, 3]), 3, 'three voters: the nearer one is enough');
  assert.equal(majorityMs(2, [4_856]), 4_856, 'the other is dead, and this one is needed');
  assert.equal(majorityMs(4, [900, 2, 1_200, 5]), 5);
  assert.equal(majorityMs(4, [900, 2, 1_200, 800]), 800, 'only one is near');
  assert.equal(majorityMs(3, [1, 700, 800]), 700, 'a fourth voter that is about to go');
  assert.equal(majorityMs(2, []), undefined);
});
