import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { lostSince } from '../consensus/recover.ts';
import type { Controller, View } from '../engine/controller.ts';
import type { Genesis, KnownCard } from '../engine/resources.ts';
import { identityFromSeed } from '../identity/identity.ts';
import { fingerprint, wireguardKeys } from '../identity/keys.ts';
import { KEYS } from '../registry/keys.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { readmit } from './admission.ts';
import { afterRecovery } from './after-recovery.ts';
import { createKeyHolder } from './held-keys.ts';
import { keptEvictionsController, loadKeptEvictions } from './kept-evictions.ts';
import { type RotationHooks, rotationPass } from './rotation-pass.ts';
import { beginRotation, moveRotation, readRecipients, readRotation } from './rotation-records.ts';
import { createTokenStore } from './token-store.ts';

const [FIRST, SECOND] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const NODES = [1, 2, 3].map((byte) => identityFromSeed(Buffer.alloc(32, byte), new Date(0)));
const [SELF, OTHER, EVICTED] = NODES as [
  (typeof NODES)[number],
  (typeof NODES)[number],
  (typeof NODES)[number],
];
const meshKeyOf = ({ seed }: typeof SELF) => wireguardKeys(seed).publicKey.toString('base64');
const recipient = (identity: typeof SELF) => ({ id: identity.id, meshKey: meshKeyOf(identity) });

/** A node at its second rotation, and data from the time of the first, whose key a thief has read. */
async function snapshotOfOld(t: TestContext) {
  const { paths, put } = makeSandbox(t);
  put('state/cluster.key', `${SECOND.toString('base64')}\n`);
  const evicted = { [EVICTED.id]: 'stolen' };
  put('state/evicted.json', JSON.stringify({ cluster: 'old', evicted }));
  const etcd = createMemoryEtcd();
  const random = (bytes: number) => Buffer.alloc(bytes, 1);
  const tokens = createTokenStore({ etcd, now: () => new Date(0), random: randomBytes });
  await beginRotation(etcd, [SELF, OTHER, EVICTED].map(recipient), SECOND, random, new Date(0));
  await moveRotation(etcd, (await readRotation(etcd)) ?? assert.fail(), { phase: 'done' });
  await tokens.create({ ttlSeconds: 3600, uses: 5 });
  const keys = await createKeyHolder(paths.state, () => new Date(0));
  await keys.reach({ id: 'ab'.repeat(8), number: 2 });
  return { paths, etcd, tokens, keys };
}

const cardOf = (identity: typeof SELF) => ({ card: recipient(identity) }) as unknown as KnownCard;

test('a replaced key does not come back with a snapshot: its rotation is past for this node', async (t) => {
  const { etcd, keys } = await snapshotOfOld(t);
  const hooks: RotationHooks = { store: keys, apply: async () => true, fingerprint };
  const self = {
    id: SELF.id,
    meshPrivateKey: wireguardKeys(SELF.seed).privateKey,
    isVoter: true,
    drives: true,
  };
  const scene = { alive: [SELF.id], voters: [SELF.id], quorum: true };
  for (let pass = 0; pass < 20; pass += 1) await rotationPass(etcd, hooks, self, scene);
  assert.deepEqual(keys.now()?.current, SECOND);
  assert.equal(keys.now()?.next, undefined);
  // Nor does the counter go back.
  await keys.reach({ id: 'cd'.repeat(8), number: 1 });
  assert.equal(keys.now()?.reached?.number, 2);
});

test('after a snapshot evictions stay, tokens end and a new key is begun, and all of it is told', async (t) => {
  const { paths, etcd, tokens, keys } = await snapshotOfOld(t);
  const later = identityFromSeed(Buffer.alloc(32, 9), new Date(0));
  const said = await afterRecovery(
    etcd,
    {
      state: paths.state,
      identity: SELF,
      keys,
      // One joined after the snapshot; of the evicted one an old card may lie about.
      cards: [OTHER, EVICTED, later].map(cardOf),
      meshRange: '10.42.0.0/16',
      now: new Date(0),
      random: randomBytes,
    },
    true,
  );
  const { rotation } = (await readRotation(etcd)) ?? assert.fail();
  assert.deepEqual([rotation.phase, rotation.number], ['distribute', 3]);
  assert.equal(rotation.oldFingerprint, fingerprint(SECOND));
  assert.deepEqual(
    [...(await readRecipients(etcd, rotation.id))].sort(),
    [SELF.id, OTHER.id, later.id].sort(),
  );
  assert.ok(etcd.keys().includes(KEYS.evicted(EVICTED.id)));
  assert.deepEqual(await tokens.list(), []);
  assert.match(said.join('\n'), /stay: stolen\.[\s\S]*Ended: 1 enrolment token;[\s\S]*key changes from/);
});

test("after a recovery from the node's own data, too, tokens end and evictions stay", async (t) => {
  const { paths, etcd, tokens, keys } = await snapshotOfOld(t);
  const about = { identity: SELF, cards: [], meshRange: '10.42.0.0/16', now: new Date(0) };
  const said = await afterRecovery(etcd, { ...about, state: paths.state, keys, random: randomBytes }, false);
  assert.deepEqual(await tokens.list(), []);
  assert.ok(etcd.keys().includes(KEYS.evicted(EVICTED.id)));
  assert.match(said.join('\n'), /stay: stolen\.[\s\S]*Ended: 1 enrolment token;/);
});

test('a key change that the lost majority had begun goes on from the key that is sent with', async (t) => {
  for (const [phase, expected] of [
    ['distribute', SECOND],
    ['use', FIRST],
  ] as const) {
    const { paths, etcd, keys } = await snapshotOfOld(t);
    await keys.holdNext({ rotation: 'ab'.repeat(8), phase, key: FIRST });
    const about = { identity: SELF, cards: [], meshRange: '10.42.0.0/16', now: new Date(0) };
    await afterRecovery(etcd, { ...about, state: paths.state, keys, random: randomBytes }, true);
    assert.equal((await readRotation(etcd))?.rotation.oldFingerprint, fingerprint(expected));
    assert.deepEqual(keys.now()?.current, expected);
  }
});

test('each node takes its evictions into the recovered cluster once, and no readmission is undone', async (t) => {
  const etcd = createMemoryEtcd();
  const resources: Record<string, unknown> = {};
  const view: View = { get: (name) => resources[name] as never, nudge: () => {} };
  const genesis = (uuid: string, ancestors: readonly string[] = []): Partial<Genesis> => ({
    uuid,
    ancestors,
  });
  const node = () => {
    const { paths, put } = makeSandbox(t);
    put('state/identity.json', '{}');
    const deps = { etcd, state: paths.state, wallClock: () => new Date(0) };
    const record = (happening: { kind: string; summary: string }) => ({ at: '', seq: 0, ...happening });
    const controller = keptEvictionsController({ ...deps, events: { record } });
    return { controller, state: paths.state };
  };
  const look = ({ controller }: { controller: Controller }) =>
    controller.reconcile(view, new AbortController().signal);
  const [first, second] = [node(), node()];
  resources.consensus = { genesis: genesis('old'), quorum: true };
  resources.registry = { evicted: [EVICTED.id], evictedNames: { [EVICTED.id]: 'stolen' } };
  await look(first);
  await look(second);
  assert.deepEqual(await loadKeptEvictions(first.state), {
    cluster: 'old',
    evicted: { [EVICTED.id]: 'stolen' },
  });
  // Another cluster, which is none of its heirs, gets nothing; one without a quorum nothing yet.
  resources.registry = { evicted: [] };
  resources.consensus = { genesis: genesis('heir', ['old']), quorum: false };
  await look(first);
  assert.deepEqual(etcd.keys(), []);
  resources.consensus = { genesis: genesis('heir', ['old']), quorum: true };
  await look(first);
  assert.ok(etcd.keys().includes(KEYS.evicted(EVICTED.id)));
  await readmit({ etcd, self: () => 'me', forceLeave: async () => {}, now: () => new Date(0) }, EVICTED.id);
  await look(second);
  assert.ok(!etcd.keys().includes(KEYS.evicted(EVICTED.id)));
  await look(second);
  assert.deepEqual(await loadKeptEvictions(second.state), { cluster: 'heir', evicted: {} });
});

test('what a snapshot does not have is counted and named, as far as this node knows', () => {
  const kv = (key: string, modRevision: string) => ({
    ...{ key, modRevision, value: '', createRevision: '1', version: '1', lease: '0' },
  });
  const before = {
    kvs: [kv('/a', '3'), kv('/b', '9'), kv('/clusteros/v1/roles/page', '8')],
    revision: '9',
    more: false,
  };
  const said = lostSince(before, { revision: '4' });
  assert.match(said, /^Lost: 5 writes after the snapshot \(revisions 5 to 9 /);
  assert.match(said, /1 of Cluster-OS, "\/b"\.$/);
  assert.match(lostSince(before, { revision: '9' }), /^Lost: no write that this node knew of/);
  assert.match(lostSince(undefined, { revision: '9' }), /cannot be counted/);
});
