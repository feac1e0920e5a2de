import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgreementFacts, type Patience, planAgreement, type Report, TURN_MS } from './agree.ts';

const AGREED = { step: 'normal', why: '', calmSeconds: 600 } as const;

function facts(more: Partial<AgreementFacts> & { needs?: Record<string, Report> }): AgreementFacts {
  const { needs = {}, ...rest } = more;
  return {
    nowMs: 0,
    self: 'a',
    agreed: AGREED,
    voters: ['a', 'b', 'c'].map((id) => ({ id, answers: true })),
    reports: new Map(Object.entries(needs)),
    turn: undefined,
    patience: {},
    nameOf: (id) => id.toUpperCase(),
    ...rest,
  };
}

/** Look every five seconds until there is something to do. */
function untilStep(start: AgreementFacts, limitMs = 3_600_000) {
  let patience: Patience = start.patience;
  for (let nowMs = 0; nowMs <= limitMs; nowMs += 5_000) {
    const { step, patience: next } = planAgreement({ ...start, nowMs, patience });
    patience = next;
    if (step.kind !== 'none') return { step, nowMs };
  }
  return { step: { kind: 'none' as const }, nowMs: limitMs };
}

const all = (report: Report) => ({ a: report, b: report, c: report });
const NORMAL: Report = { need: 'normal', runs: 'normal' };
const SLOW: Report = { need: 'slow', runs: 'normal', why: 'programs wake up 900 ms late' };

test('a new cluster takes the slowest need of its voters at once, and says whose it is', () => {
  const { step } = planAgreement(facts({ agreed: undefined, needs: { ...all(NORMAL), b: SLOW } }));
  assert.ok(step.kind === 'agree');
  assert.equal(step.agreement.step, 'slow');
  assert.equal(step.agreement.why, 'B: programs wake up 900 ms late');
});

test('a leader that has not measured itself decides nothing', () => {
  assert.equal(planAgreement(facts({ needs: { b: SLOW, c: SLOW } })).step.kind, 'none');
});

test('most voters need slower timers: soon; one voter that is slow alone: only after minutes, unless its settings say so', () => {
  const most = untilStep(facts({ needs: { a: NORMAL, b: SLOW, c: SLOW } }));
  assert.ok(most.step.kind === 'agree' && most.step.agreement.step === 'slow' && most.nowMs === 15_000);
  const one = untilStep(facts({ needs: { ...all(NORMAL), b: SLOW } }));
  assert.ok(one.step.kind === 'agree' && one.step.agreement.step === 'slow' && one.nowMs === 240_000);
  const asked = untilStep(facts({ needs: { ...all(NORMAL), b: { ...SLOW, fixed: true } } }));
  assert.ok(asked.step.kind === 'agree' && asked.step.agreement.step === 'slow' && asked.nowMs === 15_000);
});

test('faster timers wait for calm; without a restart of etcd a tenth of it is enough', () => {
  const lease = untilStep(facts({ needs: all({ need: 'fast', runs: 'normal' }) }));
  assert.ok(lease.step.kind === 'agree' && lease.step.agreement.step === 'fast' && lease.nowMs === 60_000);
  const slow = { ...AGREED, step: 'slow' } as const;
  const etcd = untilStep(facts({ agreed: slow, needs: all({ need: 'fast', runs: 'slow' }) }));
  assert.ok(etcd.step.kind === 'agree' && etcd.step.agreement.direction === 'faster');
  assert.equal(etcd.nowMs, 600_000);
});

test('a cluster that was too soon with faster timers waits twice as long the next time', () => {
  const agreed = { ...AGREED, direction: 'faster' } as const;
  const { step } = untilStep(facts({ agreed, needs: all(SLOW) }));
  assert.ok(step.kind === 'agree' && step.agreement.calmSeconds === 1_200);
});

test('a voter with an older agent, which says nothing, counts as usual and gets no turn', () => {
  const fast: Report = { need: 'fast', runs: 'normal' };
  assert.equal(untilStep(facts({ needs: { a: fast, b: fast } })).step.kind, 'none');
  const slow = { ...AGREED, step: 'slow' } as const;
  const done: Report = { need: 'slow', runs: 'slow' };
  assert.equal(untilStep(facts({ agreed: slow, needs: { a: done, b: done } }), 500_000).step.kind, 'none');
});

test('etcd is restarted one voter after the other, the leader last, and only while the others are a majority', () => {
  const agreed = { ...AGREED, step: 'slow' } as const;
  const old: Report = { need: 'slow', runs: 'normal' };
  const first = planAgreement(facts({ agreed, needs: all(old) }));
  assert.deepEqual(first.step, { kind: 'give-turn', id: 'b' });
  const busy = planAgreement(facts({ agreed, needs: all(old), turn: 'b' }));
  assert.equal(busy.step.kind, 'none', 'nobody else while it restarts');
  const done = planAgreement(
    facts({ agreed, needs: { ...all(old), b: { need: 'slow', runs: 'slow' } }, turn: 'b' }),
  );
  assert.deepEqual(done.step, { kind: 'end-turn', id: 'b' });
  const last = planAgreement(
    facts({
      agreed,
      needs: { a: old, b: { need: 'slow', runs: 'slow' }, c: { need: 'slow', runs: 'slow' } },
    }),
  );
  assert.deepEqual(last.step, { kind: 'give-turn', id: 'a' });
  const dead = ['a', 'b', 'c'].map((id) => ({ id, answers: id !== 'c' }));
  assert.equal(planAgreement(facts({ agreed, needs: all(old), voters: dead })).step.kind, 'none');
  const five = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, answers: id !== 'e' }));
  const needs = { ...all(old), d: old, e: old };
  assert.equal(planAgreement(facts({ agreed, needs, voters: five })).step.kind, 'give-turn');
});

test('of two voters, as a member that goes leaves them, none restarts; one that is alone does', () => {
  const agreed = { ...AGREED, step: 'slow' } as const;
  const old: Report = { need: 'slow', runs: 'normal' };
  const voters = (...ids: string[]) => ids.map((id) => ({ id, answers: true }));
  const two = facts({ agreed, needs: all(old), voters: voters('a', 'b') });
  assert.equal(planAgreement(two).step.kind, 'none');
  const alone = facts({ agreed, needs: all(old), voters: voters('a') });
  assert.deepEqual(planAgreement(alone).step, { kind: 'give-turn', id: 'a' });
});

test('settings that fix the timers take no turn, and a turn that is not taken goes to the next', () => {
  const agreed = { ...AGREED, step: 'slow' } as const;
  const old: Report = { need: 'slow', runs: 'normal' };
  const needs = { a: old, b: { ...old, fixed: true }, c: old };
  assert.deepEqual(planAgreement(facts({ agreed, needs })).step, { kind: 'give-turn', id: 'c' });
  const taken = planAgreement(facts({ agreed, needs: all(old), turn: 'b' }));
  const late = planAgreement(
    facts({ agreed, needs: all(old), turn: 'b', nowMs: TURN_MS, patience: taken.patience }),
  );
  assert.deepEqual(late.step, { kind: 'end-turn', id: 'b' });
  const next = planAgreement(facts({ agreed, needs: all(old), nowMs: TURN_MS, patience: late.patience }));
  assert.deepEqual(next.step, { kind: 'give-turn', id: 'c' });
});
