import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SETTINGS, type Settings } from '../config/settings.ts';
import { type Situation, timersOf, usualTimers } from './resource.ts';

const AGREED = { step: 'normal', why: 'all voters are fast enough', calmSeconds: 600 } as const;
const VOTER: Situation = {
  self: 'a',
  settings: DEFAULT_SETTINGS,
  agreed: AGREED,
  turn: undefined,
  need: 'normal',
  needWhy: 'the disk takes 310 ms to sync',
  lateness: undefined,
  place: 'voter',
  maySpare: true,
  lostForMs: undefined,
  etcd: 'normal',
  remembered: 'normal',
};

function withSettings(consensus: Partial<Settings['consensus']>, roles: Settings['roles'] = {}): Settings {
  return { ...DEFAULT_SETTINGS, consensus: { ...DEFAULT_SETTINGS.consensus, ...consensus }, roles };
}

test('a node goes by what was agreed on, and before that by what it remembers or needs', () => {
  assert.equal(timersOf(VOTER).source, 'cluster');
  const alone = { ...VOTER, agreed: undefined, need: 'slow' } as const;
  assert.equal(timersOf(alone).step, 'normal', 'as it was');
  const young = timersOf({ ...alone, remembered: undefined, etcd: undefined, place: 'none' });
  assert.deepEqual([young.step, young.etcd, young.source], ['slow', 'slow', 'own']);
  assert.equal(usualTimers(DEFAULT_SETTINGS).step, 'normal');
});

test('settings win over everything, say so, and name the pace of the others', () => {
  const fixed = timersOf({ ...VOTER, settings: withSettings({ timers: 'slow', grace: 7 }), turn: 'a' });
  assert.deepEqual([fixed.step, fixed.etcd, fixed.source, fixed.turn], ['slow', 'slow', 'settings', false]);
  assert.equal(fixed.why, "consensus.timers is set; the cluster's pace is normal");
  assert.equal(fixed.graceSeconds, 7);
  assert.equal(timersOf({ ...VOTER, settings: withSettings({ timers: 'lan' }) }).step, 'normal');
});

test('a voter restarts its etcd in its turn only, and not when the others could not go on without it', () => {
  const slow = { ...VOTER, agreed: { ...AGREED, step: 'slow' } } as const;
  assert.deepEqual(pick(timersOf(slow)), ['slow', 'normal', false]);
  assert.deepEqual(pick(timersOf({ ...slow, turn: 'b' })), ['slow', 'normal', false]);
  assert.deepEqual(pick(timersOf({ ...slow, turn: 'a' })), ['slow', 'slow', true]);
  assert.deepEqual(pick(timersOf({ ...slow, turn: 'a', maySpare: false })), ['slow', 'normal', false]);
  assert.deepEqual(pick(timersOf({ ...slow, place: 'client' })), ['slow', 'slow', false]);
  assert.deepEqual(pick(timersOf({ ...slow, etcd: 'slow' })), ['slow', 'slow', false]);
});

test('without a quorum for long a node takes slower timers alone, and never faster ones', () => {
  const lost = { ...VOTER, need: 'slow', lostForMs: 20_000 } as const;
  assert.deepEqual(pick(timersOf(lost)), ['slow', 'slow', true]);
  assert.equal(timersOf(lost).source, 'own');
  assert.equal(timersOf({ ...lost, lostForMs: 19_000 }).step, 'normal');
  assert.equal(timersOf({ ...lost, need: 'fast' }).step, 'normal');
});

test('leases and grace follow the slower of cluster and machine, and the settings as far as they may', () => {
  assert.deepEqual(limits(timersOf(VOTER)), [10, 60]);
  assert.deepEqual(limits(timersOf({ ...VOTER, need: 'slow' })), [30, 120]);
  const settings = withSettings({}, { lease: 20 });
  assert.deepEqual(limits(timersOf({ ...VOTER, settings })), [20, 60]);
  assert.deepEqual(limits(timersOf({ ...VOTER, settings, need: 'slowest' })), [60, 300]);
});

function pick({ step, etcd, turn }: ReturnType<typeof timersOf>) {
  return [step, etcd, turn];
}

function limits({ leaseSeconds, graceSeconds }: ReturnType<typeof timersOf>) {
  return [leaseSeconds, graceSeconds];
}
