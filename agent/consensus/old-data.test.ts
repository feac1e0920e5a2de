import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOwnPast, type PastFacts } from '../discovery/own-past.ts';
import { createKeeper, type Durable } from './durable.ts';
import { lookAtPast, trustDisk } from './old-data.ts';

const WAITED = { waitedMs: 0, graceMs: 10_000 };
const ASKED: PastFacts = { disk: 5, seen: 5, answered: true, known: 2, moved: false, ...WAITED };

/** One run of the agent on this disk, that found this. */
function run(disk: { durable: Durable }, facts: PastFacts) {
  const keeper = createKeeper(disk.durable, async (next) => {
    disk.durable = next;
  });
  const past = createOwnPast();
  past.look(facts);
  return { keeper, past };
}

test('data that was found to be old keeps etcd from starting in later runs, too, until an operator decides', async () => {
  const disk = { durable: {} };
  const first = run(disk, { ...ASKED, seen: 6 });
  assert.equal(await lookAtPast(first.keeper, first.past, true), 'behind');
  // Cut off from those who know.
  const { keeper, past } = run(disk, { ...ASKED, answered: false, known: 0 });
  assert.equal(past.state(), 'current');
  assert.equal(await lookAtPast(keeper, past, true), 'behind');
  await trustDisk(keeper, past);
  assert.equal(await lookAtPast(keeper, past, true), 'current');
  assert.deepEqual(disk.durable, { behind: undefined });
});

test('old data that is gone, or that etcd runs with, is forgotten, and what is not old needs no order', async () => {
  const disk = { durable: { behind: true } };
  const { keeper, past } = run(disk, ASKED);
  assert.equal(await lookAtPast(keeper, past, false), 'current');
  assert.deepEqual(disk.durable, { behind: undefined });
  await assert.rejects(trustDisk(keeper, past), { code: 'recover.not-old' });
});
