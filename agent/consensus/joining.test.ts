import * as assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type JoiningFacts, planJoining } from './joining.ts';

const OWN = 'https://10.42.0.1:7373';
const OTHER = 'https://10.42.0.2:7373';
const genesis = { uuid: 'u', founder: 'other', signature: '' };
const other = { id: '1', name: 'other', peerUrls: [OTHER], clientUrls: [], learner: false };
const own = { id: '2', name: 'me', peerUrls: [OWN], clientUrls: [], learner: false };

const facts = (more: Partial<JoiningFacts>): JoiningFacts => ({
  durable: { genesis },
  self: 'me',
  ownPeerUrl: OWN,
  hasData: false,
  past: 'current',
  unit: 'stopped',
  members: [other],
  idOf: () => undefined,
  nowMs: 100_000,
  ...more,
});

describe('what etcd does on a node', () => {
  test('the founder starts a new cluster once, and never again after it has run', () => {
    const founded = { genesis: { ...genesis, founder: 'me' } };
    assert.deepEqual(planJoining(facts({ durable: founded, members: undefined })), {
      kind: 'start',
      state: 'new',
      members: { me: OWN },
    });
    const ran = { ...founded, started: true };
    assert.equal(planJoining(facts({ durable: ran, members: undefined })).kind, 'wait');
  });

  test('a founder whose cluster the expected machines vote on begins when it is confirmed', () => {
    const founded = { genesis: { ...genesis, founder: 'me', expect: 3 } };
    const step = (durable: JoiningFacts['durable']) =>
      planJoining(facts({ durable, members: undefined })).kind;
    assert.equal(step(founded), 'wait');
    assert.equal(step({ ...founded, confirmed: true }), 'start');
  });

  test('a node that was added starts with the list of all members', () => {
    assert.deepEqual(planJoining(facts({ members: [other, { ...own, name: '', learner: true }] })), {
      kind: 'start',
      state: 'existing',
      members: { other: OTHER, me: OWN },
    });
  });

  test('a node that others do not name is their client', () => {
    assert.equal(planJoining(facts({})).kind, 'client');
  });

  test('data on the disk is started with, whether others answer or not', () => {
    for (const members of [undefined, [other, own]]) {
      const step = planJoining(facts({ hasData: true, members }));
      assert.deepEqual(step, { kind: 'start', state: 'existing', members: { me: OWN } });
    }
  });

  test('old data starts only after others said that they know nothing newer, or nobody did', () => {
    for (const members of [undefined, [other, own]]) {
      const step = (past: JoiningFacts['past'], more: Partial<JoiningFacts> = {}) =>
        planJoining(facts({ hasData: true, members, past, ...more }));
      for (const past of ['awaited', 'moved', 'behind'] as const)
        assert.deepEqual(step(past), { kind: 'hold', past });
      assert.equal(step('awaited', { unit: 'running' }).kind, 'run', 'the agent alone was started again');
    }
    assert.equal(planJoining(facts({ hasData: true, past: 'behind' })).kind, 'set-aside', 'it was removed');
    const added = [other, { ...own, name: '', learner: true }];
    assert.equal(planJoining(facts({ past: 'awaited', members: added })).kind, 'start', 'there is no data');
  });

  test('a node whose data is gone asks to be removed before it joins as new', () => {
    assert.equal(planJoining(facts({ members: [other, own] })).kind, 'report-lost');
  });

  test('a removed member puts its data away; one that runs is given time to end by itself', () => {
    assert.equal(planJoining(facts({ hasData: true })).kind, 'set-aside');
    const running = { hasData: true, unit: 'running' as const };
    assert.equal(planJoining(facts({ ...running, absentSinceMs: 95_000 })).kind, 'run');
    assert.equal(planJoining(facts({ ...running, absentSinceMs: 70_000 })).kind, 'set-aside');
    assert.equal(planJoining(facts({ ...running, members: undefined, absentSinceMs: 0 })).kind, 'run');
  });

  test('data of a cluster that was left is put away before anything is started', () => {
    const step = planJoining(facts({ hasData: true, durable: { genesis, staleData: true } }));
    assert.equal(step.kind, 'set-aside');
  });
});
