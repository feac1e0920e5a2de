import * as assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CareFacts, type DatabaseFacts, keepsSnapshots, planCare } from './maintenance.ts';

const MB = 1024 ** 2;
const QUOTA = 2048 * MB;
const database = (memberId: string, size: number, inUse: number, leads = false): DatabaseFacts => ({
  memberId,
  endpoint: `https://${memberId}:7374`,
  leads,
  size: size * MB,
  inUse: inUse * MB,
});
const facts = (databases: readonly DatabaseFacts[], more: Partial<CareFacts> = {}): CareFacts => ({
  nowMs: 3_600_000,
  alarms: [],
  databases,
  defragmentedMs: new Map(),
  ...more,
});

describe('care for the database', () => {
  test('a large database that is more than half empty is defragmented, the leader last', () => {
    const all = [database('a', 200, 50, true), database('b', 200, 50)];
    assert.deepEqual(planCare(facts(all), QUOTA), {
      kind: 'defragment',
      memberId: 'b',
      endpoint: 'https://b:7374',
    });
    const done = new Map([['b', 3_590_000]]);
    const next = planCare(facts(all, { defragmentedMs: done }), QUOTA);
    assert.equal(next.kind === 'defragment' && next.memberId, 'a');
  });

  test('a small or well filled one is left alone', () => {
    assert.equal(planCare(facts([database('a', 90, 10), database('b', 500, 400)]), QUOTA).kind, 'none');
  });

  test('a full one is compacted, defragmented everywhere, then written to again', () => {
    const alarms = [{ memberId: 'a', alarm: 'NOSPACE' }];
    const full = [database('a', 2040, 2000), database('b', 2040, 2000)];
    assert.equal(planCare(facts(full, { alarms }), QUOTA).kind, 'compact');
    const compacted = new Map([['compacted', 3_599_000]]);
    const emptied = [database('a', 2040, 100), database('b', 2040, 100)];
    assert.equal(planCare(facts(emptied, { alarms, defragmentedMs: compacted }), QUOTA).kind, 'defragment');
    const small = [database('a', 100, 99), database('b', 100, 99)];
    assert.deepEqual(planCare(facts(small, { alarms, defragmentedMs: compacted }), QUOTA), {
      kind: 'disarm',
      memberId: 'a',
    });
  });

  test('what cannot be made smaller is not tried without end', () => {
    const alarms = [{ memberId: 'a', alarm: 'NOSPACE' }];
    const tried = new Map([
      ['a', 3_599_000],
      ['compacted', 3_598_000],
    ]);
    assert.equal(
      planCare(facts([database('a', 2040, 2040)], { alarms, defragmentedMs: tried }), QUOTA).kind,
      'none',
    );
  });

  const member = (name: string, learner = false) => ({ name, learner });

  test('three voters keep snapshots', () => {
    const nodes = ['e', 'd', 'c', 'b', 'a', '0'];
    const voters = nodes.slice(0, 5).map((name) => member(name));
    assert.deepEqual(
      nodes.filter((id) => keepsSnapshots(id, voters, nodes)),
      ['c', 'b', 'a'],
    );
  });

  test('where fewer vote two other nodes keep snapshots as well, the one with the copy first', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e'];
    const members = [member('b'), member('e', true)];
    assert.deepEqual(
      nodes.filter((id) => keepsSnapshots(id, members, nodes)),
      ['a', 'b', 'e'],
    );
    assert.ok(!keepsSnapshots('a', [], nodes), 'nobody answers');
  });
});
