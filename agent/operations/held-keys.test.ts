import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Resources } from '../engine/resources.ts';
import type { Facts } from '../gather.ts';
import { identityFromSeed } from '../identity/identity.ts';
import { loadKey } from '../identity/key-store.ts';
import { clusterSubkey, fingerprint, wireguardKeys } from '../identity/keys.ts';
import { createLog } from '../log.ts';
import { offersMark } from '../seed/offers.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { createKeyHolder } from './held-keys.ts';
import { caKeysOf, gossipKeys } from './key-uses.ts';
import { retire, retiredKeysFile, saveRetiredKeys } from './retired-keys.ts';
import { rotationController, STUCK_MS } from './rotation-controller.ts';
import { beginRotation, readAcks } from './rotation-records.ts';
import { nextKeyFile } from './rotation-store.ts';

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const next = { rotation: '0123456789abcdef', phase: 'drop', key: NEW } as const;

test('an adopted key is the cluster key, the old one is only remembered, and whoever looks at facts looks again', async (t) => {
  const { paths, put } = makeSandbox(t);
  put('state/cluster.key', `${OLD.toString('base64')}\n`);
  const keys = await createKeyHolder(paths.state, () => new Date());
  const before = await offersMark(paths);
  await keys.holdNext(next);
  await keys.adopt(next);
  assert.deepEqual(await loadKey(paths.state), NEW);
  assert.deepEqual(keys.now(), { current: NEW });
  assert.notEqual(await offersMark(paths), before);
  assert.deepEqual(
    keys.retired().map((key) => key.fingerprint),
    [fingerprint(OLD)],
  );
  assert.equal(statSync(retiredKeysFile(paths.state)).mode & 0o777, 0o600);
  const again = await createKeyHolder(paths.state, () => new Date());
  assert.deepEqual(again.retired()[0]?.channel, clusterSubkey(OLD, 'channel'));
});

test('keys that are spoilt while the agent runs stay as they were, and other files spoil no key', async (t) => {
  const { paths, put } = makeSandbox(t);
  const file = put('state/cluster.key', `${OLD.toString('base64')}\n`);
  const keys = await createKeyHolder(paths.state, () => new Date());
  writeFileSync(file, 'no key');
  assert.deepEqual(await keys.load(), { current: OLD });
  writeFileSync(file, `${NEW.toString('base64')}\n`);
  assert.deepEqual(await keys.load(), { current: NEW });
  await keys.holdNext(next);
  chmodSync(nextKeyFile(paths.state), 0o644);
  put('state/rotation.json/x', '');
  const again = await createKeyHolder(paths.state, () => new Date());
  assert.deepEqual(again.now(), { current: NEW }, 'the rotation gives the next key out again');
});

test('cut short at any step, the old key is never the only one that is known to be old', async (t) => {
  const { paths, put } = makeSandbox(t);
  put('state/cluster.key', `${OLD.toString('base64')}\n`);
  let keys = await createKeyHolder(paths.state, () => new Date());
  await keys.holdNext(next);
  // Noted as retired, and still in use: it is adopted at the next try, and noted once.
  await saveRetiredKeys(paths.state, retire([], OLD, new Date()));
  keys = await createKeyHolder(paths.state, () => new Date());
  assert.deepEqual(keys.now(), { current: OLD, next });
  await keys.adopt(next);
  assert.equal(keys.retired().length, 1);
  // Adopted, and the other file still there: the same key twice.
  await keys.holdNext(next);
  keys = await createKeyHolder(paths.state, () => new Date());
  assert.deepEqual(gossipKeys(keys.now()), [clusterSubkey(NEW, 'gossip')]);
  assert.deepEqual(caKeysOf(keys.now()), [clusterSubkey(NEW, 'ca')]);
  await keys.adopt(next);
  assert.equal(keys.retired().length, 1);
  writeFileSync(retiredKeysFile(paths.state), '{"version":1,"ke');
  assert.deepEqual((await createKeyHolder(paths.state, () => new Date())).retired(), []);
});

test('a change that waits does not make the node unready at once; after two minutes it says for whom', async (t) => {
  const { paths, put } = makeSandbox(t);
  put('state/cluster.key', `${OLD.toString('base64')}\n`);
  const [self, other] = [1, 2].map((byte) => identityFromSeed(Buffer.alloc(32, byte), new Date(0)));
  assert.ok(self && other);
  const etcd = createMemoryEtcd();
  const recipients = [self, other].map(({ id, seed }) => ({
    id,
    meshKey: wireguardKeys(seed).publicKey.toString('base64'),
  }));
  await beginRotation(etcd, recipients, OLD, (bytes) => Buffer.alloc(bytes, 3), new Date(0));
  let nowMs = 0;
  const said: string[] = [];
  const controller = rotationController({
    etcd,
    keys: await createKeyHolder(paths.state, () => new Date()),
    events: {
      record: (happening) => {
        said.push(`${happening.kind} ${happening.details?.phase}`);
        return { at: '', seq: 0, ...happening };
      },
    },
    log: createLog({ write: () => {}, level: 'error' }),
    now: () => nowMs,
    random: () => 0.5,
    isApplied: async () => true,
    changed: () => {},
  });
  const values = {
    facts: { identity: self } as unknown as Facts,
    gossip: { running: true, members: [self, other].map(({ id }) => ({ id, status: 'alive' })) },
    consensus: { genesis: {}, endpoints: ['x'], quorum: true, leader: self.id, voters: [self.id] },
  } as unknown as Partial<Resources>;
  const view = { get: (name: keyof Resources) => values[name] as never, nudge: () => {} };
  const pass = () => controller.reconcile(view, new AbortController().signal);
  for (let round = 0; round < 10; round += 1) assert.deepEqual((await pass()).conditions ?? [], []);
  assert.equal((await readAcks(etcd)).get(self.id)?.phase, 'distribute');
  assert.deepEqual(said, ['key.rotation distribute']);
  nowMs = STUCK_MS - 1;
  assert.deepEqual((await pass()).conditions, []);
  nowMs = STUCK_MS;
  const [condition] = (await pass()).conditions ?? [];
  assert.equal(condition?.code, 'rotation.stuck');
  assert.match(condition?.summary ?? '', new RegExp(other.id.slice(0, 8)));
});
