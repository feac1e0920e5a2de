import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mock, type TestContext, test } from 'node:test';
import { eventually } from '../engine/testing/engine.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { createSnapshotKeeper } from './snapshot-keeper.ts';
import { takeSnapshot } from './snapshots.ts';

const VOTERS = ['a', 'b', 'c'];
const NOBODY = { snapshot: async () => ({ bytes: 0 }) };

/** A keeper whose voters are as told, and what was asked of them and said. */
function keeperOf(t: TestContext, answers: (voter: string) => boolean) {
  const asked: string[] = [];
  const log = { info: mock.fn(), warning: mock.fn() };
  const client = {
    async snapshot(voter: string, file: string) {
      asked.push(voter);
      if (!answers(voter)) throw new Error(`${voter} cannot be reached`);
      writeFileSync(file, '');
      return { bytes: 0 };
    },
  };
  const { state } = makeSandbox(t).paths;
  const keeper = createSnapshotKeeper(client, state, log);
  return { keeper, asked, log, state };
}

test('a snapshot that one voter does not give is taken from the next', async (t) => {
  const { keeper, asked, log } = keeperOf(t, (voter) => voter === 'c');
  await keeper.look(true, VOTERS, 0);
  await keeper.take();
  assert.deepEqual(asked, VOTERS);
  assert.equal(keeper.state().failed, undefined);
  assert.equal(log.warning.mock.callCount(), 0);
});

test('after a restart the next snapshot is due an hour after the newest one, by a clock that is set', async (t) => {
  for (const [ageMs, due] of [
    [1_800_000, false],
    [3_600_000, true],
    [-86_400_000, true],
  ] as const) {
    const { keeper, asked, state } = keeperOf(t, () => true);
    const stamp = new Date(Date.now() - ageMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
    mkdirSync(`${state}/snapshots`, { recursive: true });
    writeFileSync(`${state}/snapshots/00000001-${stamp}.db`, '');
    await keeper.look(true, VOTERS, 0);
    await keeper.look(true, VOTERS, 120_000);
    if (due) await eventually(() => asked.length > 0);
    // Another one goes the same way: one that was begun before it has asked by then.
    else await takeSnapshot(NOBODY, '', state, new AbortController().signal);
    assert.equal(asked.length, due ? 1 : 0, `${ageMs} ms old`);
  }
});

test('an attempt of an operator that failed is tried again after a minute, too', async (t) => {
  let up = false;
  const { keeper, asked } = keeperOf(t, () => up);
  await keeper.look(true, VOTERS, 0);
  for (let times = 0; times < 3; times += 1) await assert.rejects(keeper.take());
  assert.match(keeper.state().failed ?? '', /cannot be reached/);
  up = true;
  const before = asked.length;
  await keeper.look(true, VOTERS, 60_000);
  await eventually(() => keeper.state().failed === undefined);
  assert.equal(asked.length, before + 1);
});

test('three failed snapshots, each a minute after the last, are reported once', async (t) => {
  let up = false;
  const { keeper, asked, log } = keeperOf(t, () => up);
  let nowMs = 0;
  const said = () => log.info.mock.callCount() + log.warning.mock.callCount();
  const attempted = async (afterMs: number) => {
    const before = { asked: asked.length, said: said() };
    nowMs += afterMs;
    await keeper.look(true, VOTERS, nowMs);
    await eventually(() => said() > before.said);
    return asked.length - before.asked;
  };
  await keeper.look(true, VOTERS, nowMs);
  assert.equal(await attempted(120_000), VOTERS.length);
  assert.equal(await attempted(60_000), VOTERS.length);
  assert.equal(keeper.state().failed, undefined, 'voters may have been starting');
  assert.equal(await attempted(60_000), VOTERS.length);
  assert.match(keeper.state().failed ?? '', /cannot be reached/);
  assert.equal(await attempted(60_000), VOTERS.length);
  assert.equal(log.warning.mock.callCount(), 1);
  up = true;
  assert.equal(await attempted(60_000), 1);
  assert.equal(keeper.state().failed, undefined);
});
