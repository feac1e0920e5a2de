import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEYS } from '../registry/keys.ts';
import { registryOf } from '../registry/reduce.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { createAnswers } from './answers.ts';

const ME = '2'.repeat(43);
const KEY = KEYS.move('page');
const WHY = { reason: `it wants ${'x'.repeat(300)}`, endedBy: 'another label' };

/** An operator wants the role here; the first writes fail. */
async function station({ failures = 0 } = {}) {
  const etcd = createMemoryEtcd();
  const put = { kind: 'put', key: KEY, value: JSON.stringify({ to: ME }), lease: '5' } as const;
  await etcd.txn({ compare: [], success: [put] });
  const moveNow = async () => registryOf((await etcd.range(KEY)).kvs).registry.moves?.page;
  let [asked, again] = [0, 0];
  const txn: typeof etcd.txn = (transaction) => {
    asked += 1;
    return asked > failures ? etcd.txn(transaction) : Promise.reject(new Error('no leader'));
  };
  const time = { nowMs: () => 0, pause: async () => {} };
  const answer = createAnswers({ client: { txn }, time, failed: () => (again += 1) });
  return { etcd, answer, moveNow, counts: () => [asked, again] };
}

test('a node answers a wish once, and what is too long for the registry is cut', async () => {
  const { answer, moveNow, counts } = await station();
  const move = await moveNow();
  for (let pass = 0; pass < 3; pass += 1) answer('page', move, WHY);
  await new Promise(setImmediate);
  const said = (await moveNow())?.answer;
  assert.ok(typeof said === 'object' && said.reason.startsWith('it wants xxx'), JSON.stringify(said));
  assert.deepEqual([said.reason.length, said.endedBy, counts()], [200, 'another label', [1, 0]]);
});

test('an answer that etcd did not take is given again', async () => {
  const { answer, moveNow, counts } = await station({ failures: 1 });
  answer('page', await moveNow(), 'ready');
  await new Promise(setImmediate);
  assert.deepEqual(counts(), [1, 1]);
  answer('page', await moveNow(), 'ready');
  await new Promise(setImmediate);
  assert.equal((await moveNow())?.answer, 'ready');
});

test('an answer to a wish that has ended brings none back', async () => {
  const { etcd, answer, moveNow } = await station();
  const move = await moveNow();
  await etcd.delete(KEY);
  answer('page', move, 'ready');
  await new Promise(setImmediate);
  assert.equal(await moveNow(), undefined);
});
