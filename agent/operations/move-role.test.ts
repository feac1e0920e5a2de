import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEYS } from '../registry/keys.ts';
import { registryOf } from '../registry/reduce.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { moveRole } from './move-role.ts';

const [HERE, THERE] = ['1'.repeat(43), '2'.repeat(43)];
const KEY = KEYS.move('page');
const TARGET = { id: THERE, name: 'n2' };
const heldBy = (id: string) => JSON.stringify({ id, since: '2026-01-01T00:00:00.000Z' });

/** What happens between two looks, one thing at a time. */
async function station(...happens: ((etcd: ReturnType<typeof createMemoryEtcd>) => Promise<unknown>)[]) {
  const etcd = createMemoryEtcd();
  await etcd.put(KEYS.role('page'), heldBy(HERE));
  let nowMs = 0;
  const clock = {
    monotonicMs: () => nowMs,
    async pause(ms: number) {
      nowMs += ms;
      await happens.shift()?.(etcd);
    },
  };
  return {
    etcd,
    move: (status = 'alive') => moveRole({ etcd, clock }, 'page', { ...TARGET, status }),
    isGone: async () => (await etcd.range(KEY)).kvs.length === 0,
  };
}

const answers = (answer: unknown) => async (etcd: ReturnType<typeof createMemoryEtcd>) => {
  const [found] = (await etcd.range(KEY)).kvs;
  const { moves } = registryOf([found].flatMap((kv) => kv ?? [])).registry;
  const { to, lease } = moves?.page ?? {};
  assert.equal(to, THERE);
  const put = { kind: 'put', key: KEY, value: JSON.stringify({ to, answer }) } as const;
  await etcd.txn({ compare: [], success: [{ ...put, ...(lease && { lease }) }] });
};

test('a role is moved when the other node holds it, and the wish is taken back', async () => {
  const { move, isGone } = await station(
    answers('ready'),
    (etcd) => etcd.delete(KEYS.role('page')),
    (etcd) => etcd.put(KEYS.role('page'), heldBy(THERE)),
  );
  assert.deepEqual(await move(), { done: 'n2 holds the role page' });
  assert.ok(await isGone());
});

test('a node that may not run it says why, and nothing was changed', async () => {
  const { move, isGone, etcd } = await station(answers({ reason: 'it wants gpu', endedBy: 'a label' }));
  await assert.rejects(move(), {
    code: 'role.refused',
    message: /n2 does not take .*: it wants gpu$/,
    fix: 'a label',
  });
  assert.ok(await isGone());
  assert.equal((await etcd.range(KEYS.role('page'))).kvs[0]?.value, heldBy(HERE));
});

test('no answer, a holder that does not stop, and a lost target have an error each', async () => {
  const silent = await station();
  await assert.rejects(silent.move(), { code: 'role.not-moved', message: /does not say/ });
  const stuck = await station(answers('ready'));
  await assert.rejects(stuck.move(), { code: 'role.not-moved', message: /has not come to n2 within 120 s/ });
  const dead = await station(
    answers('ready'),
    (etcd) => etcd.delete(KEYS.role('page')),
    (etcd) => etcd.put(KEYS.role('page'), heldBy('3'.repeat(43))),
  );
  await assert.rejects(dead.move(), {
    code: 'role.not-moved',
    message: /n2 said .* and did not: 3{8} has it now/,
  });
  for (const { isGone } of [silent, stuck, dead]) assert.ok(await isGone());
});

test('a second wish for one role is refused, and so is a role that does not exist; where it is already nothing is done', async () => {
  const { etcd, move } = await station();
  const put = { kind: 'put', key: KEY, value: JSON.stringify({ to: HERE }), lease: '9' } as const;
  await etcd.txn({ compare: [], success: [put] });
  await assert.rejects(move(), { code: 'role.moving', message: /is being moved already, to 1{8}$/ });
  assert.equal((await etcd.range(KEY)).kvs.length, 1, 'it is not ours to take back');
  await etcd.put(KEYS.role('page'), heldBy(THERE));
  assert.match((await move()).done, /already$/);
  const clock = { monotonicMs: () => 0, pause: async () => {} };
  await assert.rejects(moveRole({ etcd, clock }, 'pgae', { ...TARGET, status: 'alive' }), {
    code: 'role.unknown',
    fix: /page/,
  });
});

test('what stands in the way of a wish and is none is removed', async () => {
  for (const value of ['{}', JSON.stringify({ to: HERE, answer: 'ready' })]) {
    const { etcd, move, isGone } = await station(answers('ready'), (store) =>
      store.put(KEYS.role('page'), heldBy(THERE)),
    );
    await etcd.put(KEY, value);
    assert.deepEqual(await move(), { done: 'n2 holds the role page' }, value);
    assert.ok(await isGone());
  }
});

test('a node that is not there is not waited for', async () => {
  const { move, etcd } = await station();
  await assert.rejects(move('failed'), {
    code: 'role.absent',
    message: /n2 cannot take the role page: it is failed/,
  });
  assert.deepEqual(etcd.transactions, []);
});
