import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Consensus } from '../engine/resources.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { IDS, scene } from '../testing/scene.ts';
import { createOperations } from './create.ts';
import { loadJoins } from './joins.ts';

function station(t: TestContext, consensus: Partial<Consensus> | undefined = {}) {
  const { paths, put } = makeSandbox(t);
  put('state/identity.json', '{}');
  const etcd = createMemoryEtcd();
  const world = scene();
  const told: unknown[] = [];
  const operations = createOperations({
    etcd,
    paths,
    self: () => IDS[0],
    clusterKey: () => Buffer.alloc(32, 1),
    consensus: () => world.consensus && { ...world.consensus, ...consensus },
    registry: () => world.registry && { ...world.registry, evicted: [IDS[3]] },
    now: () => new Date(0),
    random: randomBytes,
    joinsChanged: (addresses) => told.push(addresses),
    comeBack: () => told.push('come back'),
    forceLeave: async () => {},
    leave: async () => ({ done: 'left' }),
    recover: async () => ({ done: 'begun anew' }),
    resetRequested: () => told.push('reset'),
  });
  return { operations, etcd, paths, told };
}

test('without a quorum nothing that needs the cluster is begun, and what does not is still done', async (t) => {
  const { operations, etcd, told, paths } = station(t, { quorum: false });
  for (const act of [
    () => operations.createToken({ ttlSeconds: 60, uses: 1 }),
    () => operations.listTokens(),
    () => operations.evict(IDS[1]),
    () => operations.rotateKey(),
  ]) {
    await assert.rejects(act, { code: 'cluster.not-now', exit: 'notDone' });
  }
  assert.deepEqual(etcd.keys(), []);
  await operations.join('192.0.2.7');
  await operations.reset();
  assert.deepEqual(told, [['192.0.2.7'], 'come back', 'reset']);
  assert.ok(existsSync(`${paths.state}/reset.json`));
});

test('a cluster that has its quorum is not recovered, whatever the operator says yes to', async (t) => {
  const wish = { mode: 'force-new-cluster' } as const;
  await assert.rejects(station(t).operations.recover(wish), { code: 'recover.quorum', exit: 'notDone' });
  assert.deepEqual(await station(t, { quorum: false }).operations.recover(wish), { done: 'begun anew' });
});

test('a rotation is sealed for every registered node but the evicted one', async (t) => {
  const { operations, etcd } = station(t);
  assert.match((await operations.rotateKey()).done, /on 3 nodes$/);
  const sealed = etcd.keys().filter((key) => key.includes('rotation-sealed'));
  assert.deepEqual(
    sealed.map((key) => key.split('/').at(-1)),
    [IDS[0], IDS[1], IDS[2]],
  );
  await assert.rejects(operations.rotateKey(), { code: 'rotation.under-way' });
});

test('joined addresses are kept once each, at most 64, and only if they are some', async (t) => {
  const { operations, paths } = station(t);
  for (const bad of ['', 'a b', '300.1.1.1', '10.0.0', 'host:99999', '../x', '-x']) {
    await assert.rejects(operations.join(bad), { code: 'join.bad-address' });
  }
  for (let n = 0; n < 70; n += 1) await operations.join(`10.0.0.${n}`);
  await operations.join('10.0.0.69');
  await operations.join('[2001:db8::7]:7947');
  const joins = await loadJoins(paths.state);
  assert.equal(joins.length, 64);
  assert.deepEqual(joins.slice(-2), ['10.0.0.69', '[2001:db8::7]:7947']);
});

test('an address that is forgotten is asked no more, and brings no node back that has left', async (t) => {
  const { operations, paths, told } = station(t);
  for (const address of ['10.0.0.1', 'typo.example']) await operations.join(address);
  told.length = 0;
  await operations.forgetJoin('typo.example');
  assert.deepEqual(told, [['10.0.0.1']]);
  assert.deepEqual(await loadJoins(paths.state), ['10.0.0.1']);
  await assert.rejects(operations.forgetJoin('typo.example'), {
    code: 'join.unknown-address',
    evidence: 'named were: 10.0.0.1',
  });
});
