import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { LabelChanges } from '../config/labels.ts';
import { makeCard } from '../discovery/card.ts';
import type { Card, Consensus } from '../engine/resources.ts';
import { type Identity, identityFromSeed } from '../identity/identity.ts';
import { wireguardKeys } from '../identity/keys.ts';
import { KEYS } from '../registry/keys.ts';
import type { RegisteredNode } from '../registry/registry.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { IDS, scene, sceneCard } from '../testing/scene.ts';
import { createOperations } from './create.ts';
import { loadJoins } from './joins.ts';

const FOUR = [1, 2, 3, 4].map((byte) => identityFromSeed(Buffer.alloc(32, byte), new Date(0)));

/** As the node itself registers: its card names the mesh key of its identity, and is signed by it. */
function registered(identity: Identity, index: number, more: Partial<Card> = {}): RegisteredNode {
  const plain = JSON.parse(Buffer.from(sceneCard(index).body, 'base64').toString('utf8')) as Card;
  const meshKey = wireguardKeys(identity.seed).publicKey.toString('base64');
  const signed = makeCard({ ...plain, id: identity.id, meshKey, ...more }, identity, Buffer.alloc(32));
  return { id: identity.id, signed, registeredAt: '2026-01-01T00:00:00.000Z' };
}

function station(
  t: TestContext,
  consensus: Partial<Consensus> | undefined = {},
  nodes: readonly RegisteredNode[] = FOUR.map((identity, index) => registered(identity, index)),
) {
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
    registry: () => world.registry && { ...world.registry, nodes, evicted: [FOUR[3]?.id ?? ''] },
    reachedRotation: () => undefined,
    meshRange: () => '10.42.0.0/16',
    now: () => new Date(0),
    random: randomBytes,
    joinsChanged: (addresses) => told.push(addresses),
    comeBack: () => told.push('come back'),
    forceLeave: async () => {},
    leave: async () => ({ done: 'left' }),
    recover: async () => ({ done: 'begun anew' }),
    survey: async () => ({ lines: [] }),
    snapshots: {
      takeSnapshot: async () => ({ file: '', takenAt: '', bytes: 0 }),
      listSnapshots: async () => [],
    },
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
    FOUR.slice(0, 3)
      .map(({ id }) => id)
      .sort(),
  );
  await assert.rejects(operations.rotateKey(), { code: 'rotation.under-way' });
});

test('a mesh key that its node has not signed gets no copy of the new key', async (t) => {
  const [one, two, three] = FOUR.map((identity, index) => registered(identity, index)) as [
    RegisteredNode,
    RegisteredNode,
    RegisteredNode,
  ];
  const card = JSON.parse(Buffer.from(two.signed.body, 'base64').toString('utf8')) as Card;
  const thief = Buffer.from(JSON.stringify({ ...card, meshKey: Buffer.alloc(32, 66).toString('base64') }));
  const nodes = [
    one,
    { ...two, signed: { ...two.signed, body: thief.toString('base64') } },
    // Signed, and by another node.
    { ...three, signed: one.signed },
  ];
  const { operations, etcd } = station(t, {}, nodes);
  assert.match((await operations.rotateKey()).done, /on 1 nodes$/);
  const sealed = etcd.keys().filter((key) => key.includes('rotation-sealed'));
  assert.deepEqual(
    sealed.map((key) => key.split('/').at(-1)),
    [one.id],
  );
});

test('a rotation ends every enrolment token in the transaction that begins it, and says how many', async (t) => {
  const { operations, etcd } = station(t);
  const { token } = await operations.createToken({ ttlSeconds: 3600, uses: 2 });
  await operations.createToken({ ttlSeconds: 3600, uses: 1 });
  const before = etcd.transactions.length;
  const { note } = await operations.rotateKey();
  assert.match(note ?? '', /^Enrolment tokens that ended with the old key: 2\.$/m);
  assert.equal(etcd.transactions.length - before, 1);
  assert.deepEqual(await operations.listTokens(), []);
  assert.ok(!etcd.keys().some((key) => key.includes(token.split('.')[0] ?? '')));
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
  rmSync(`${paths.state}/joins.json`);
  mkdirSync(`${paths.state}/joins.json`);
  assert.deepEqual(await loadJoins(paths.state), [], 'the agent starts, whatever stands there');
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

test('labels are changed one by one, forgotten on request, and never more than a node may have', async (t) => {
  const { operations, etcd } = station(t);
  const [id = ''] = IDS;
  const kept = async () => (await etcd.range(KEYS.labels(id))).kvs[0]?.value;
  const of = (changes: LabelChanges, reset = false) => operations.label(id, { name: 'n1', changes, reset });
  assert.match((await of({ disk: 'ssd', gpu: null })).done, /^n1 has, over .*: disk=ssd gpu-$/);
  await of({ disk: 'hdd', rack: '7' });
  assert.deepEqual(JSON.parse((await kept()) ?? ''), { changes: { disk: 'hdd', gpu: null, rack: '7' } });
  await of({ rack: '8' }, true);
  assert.deepEqual(JSON.parse((await kept()) ?? ''), { changes: { rack: '8' } });
  const many = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`k${index}`, '']));
  await assert.rejects(of(many), { code: 'label.most', message: /at most 64 .* removals/ });
  assert.deepEqual(JSON.parse((await kept()) ?? ''), { changes: { rack: '8' } });
  assert.match((await of({}, true)).done, /the labels of its settings$/);
  assert.equal(await kept(), undefined);
  const alone = station(t, { quorum: false });
  await assert.rejects(alone.operations.label(id, { name: 'n1', changes: { a: '' } }), {
    code: 'cluster.not-now',
  });
});

test('of two who change the labels of a node at once each sees what the other did', async (t) => {
  const { operations, etcd } = station(t);
  const [id = ''] = IDS;
  const all = Array.from({ length: 4 }, (_, index) =>
    operations.label(id, { name: 'n1', changes: { [`k${index}`]: '' } }),
  );
  await Promise.all(all);
  const [kept] = (await etcd.range(KEYS.labels(id))).kvs;
  assert.deepEqual(JSON.parse(kept?.value ?? ''), { changes: { k0: '', k1: '', k2: '', k3: '' } });
});
