import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { REKEY } from '../discovery/channel/answering.ts';
import { identityOf, keyOf, startPeer } from '../discovery/testing/peers.ts';
import { fingerprint, wireguardKeys } from '../identity/keys.ts';
import { KEYS } from '../registry/keys.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { answerRekey, believed, type Given, readGiven } from './rekey.ts';
import { inTime, RETIRED_MS, retire } from './retired-keys.ts';
import { beginRotation, moveRotation, readRotation } from './rotation-records.ts';

const OLD = Buffer.alloc(32, 1);
const recipient = (byte: number) => ({
  id: identityOf(byte).id,
  meshKey: wireguardKeys(identityOf(byte).seed).publicKey.toString('base64'),
});

/** A member that went through a change of the key from OLD, with real records and a real channel. */
async function member(t: TestContext, recipients: readonly number[]) {
  const etcd = createMemoryEtcd();
  const { rotation } = await beginRotation(etcd, recipients.map(recipient), OLD, randomBytes, new Date(0));
  const evicted = new Set<string>();
  const server = await startPeer(t, 1, {
    keys: [keyOf(2)],
    retired: retire([], OLD, new Date()),
    evicted,
  });
  const deps = { etcd, fingerprints: () => [rotation.newFingerprint] };
  server.channel.handle(REKEY, async ({ id, replacedKey }) => answerRekey(deps, id, replacedKey));
  const finish = async () => {
    const stored = (await readRotation(etcd)) ?? assert.fail();
    await moveRotation(etcd, stored, { phase: 'done' });
  };
  return { etcd, rotation, server, evicted, finish };
}

const ask = (peer: Awaited<ReturnType<typeof startPeer>>, at: Awaited<ReturnType<typeof member>>) =>
  peer.channel.call(at.server.target, REKEY, {}, { replaced: true });

test('a node that slept through the change gets the new key by its old one, and nobody else can read it', async (t) => {
  const at = await member(t, [3, 4]);
  await at.finish();
  const sleeper = await startPeer(t, 3, { keys: [keyOf(1)] });
  const { answer, peer } = await ask(sleeper, at);
  const given = readGiven(answer, wireguardKeys(identityOf(3).seed).privateKey) ?? assert.fail();
  assert.equal(fingerprint(given.key), at.rotation.newFingerprint);
  assert.equal(given.phase, 'done');
  assert.equal(peer?.id, at.server.id);
  assert.equal(readGiven(answer, wireguardKeys(identityOf(4).seed).privateKey), undefined);
  assert.deepEqual(at.server.refusals.list(), []);
});

test('the old key opens nothing but that question', async (t) => {
  const at = await member(t, [3]);
  const sleeper = await startPeer(t, 3, { keys: [keyOf(1)] });
  const { refused } = await sleeper.channel.call(at.server.target, 'card', {}, { replaced: true });
  assert.equal(refused?.code, 'other-key');
  assert.equal((await sleeper.channel.call(at.server.target, 'card', {})).refused?.code, 'other-key');
});

test('who was evicted, was not registered, or never held the key gets nothing', async (t) => {
  const at = await member(t, [3, 5]);
  at.evicted.add(identityOf(3).id);
  const evicted = await startPeer(t, 3, { keys: [keyOf(1)] });
  assert.equal((await ask(evicted, at)).refused?.code, 'evicted');
  await at.etcd.put(KEYS.evicted(identityOf(5).id), '{}');
  const later = await startPeer(t, 5, { keys: [keyOf(1)] });
  assert.match((await ask(later, at)).refused?.reason ?? '', /evicted/);
  const unknown = await startPeer(t, 6, { keys: [keyOf(1)] });
  assert.match((await ask(unknown, at)).refused?.reason ?? '', /not registered/);
  const stranger = await startPeer(t, 7, { keys: [keyOf(9)] });
  assert.equal((await ask(stranger, at)).refused?.code, 'other-key');
  assert.match(at.server.lines.join(''), /never ours/);
});

test('a member that does not hold the new key yet, or whose key is the same, gives none', async () => {
  const etcd = createMemoryEtcd();
  const deps = { etcd, fingerprints: () => ['01234567'] };
  await assert.rejects(answerRekey(deps, recipient(3).id, 'aabbccdd'), { code: 'rekey.none' });
  const { rotation } = await beginRotation(etcd, [recipient(3)], OLD, randomBytes, new Date(0));
  const { newFingerprint } = rotation;
  await assert.rejects(answerRekey(deps, recipient(3).id, 'aabbccdd'), { code: 'rekey.behind' });
  await assert.rejects(answerRekey(deps, recipient(3).id, newFingerprint), { code: 'rekey.same' });
  await assert.rejects(answerRekey(deps, recipient(3).id, undefined), { code: 'rekey.no-key' });
});

test('the new key is believed from a majority of the last voters, and from nobody else', () => {
  const given = (byte: number, phase: Given['phase'] = 'done'): Given => ({
    rotation: 'ab',
    number: 1,
    phase,
    key: Buffer.alloc(32, byte),
  });
  const known = ['a', 'b', 'evil'];
  assert.equal(believed(new Map([['evil', given(6)]]), known), undefined);
  const two = new Map([
    ['evil', given(6)],
    ['a', given(2)],
  ]);
  assert.equal(believed(two, known), undefined);
  assert.deepEqual(believed(new Map([...two, ['b', given(2)]]), known)?.key, Buffer.alloc(32, 2));
  const invented = new Map([...two, ...['x', 'y', 'z'].map((id) => [id, given(6)] as const)]);
  assert.equal(believed(invented, known), undefined);
  assert.deepEqual(believed(new Map([['a', given(2)]]), ['a'])?.key, Buffer.alloc(32, 2));
  assert.equal(believed(new Map([['a', given(2)]]), []), undefined);
  const phases = new Map([
    ['a', given(2, 'certify')],
    ['b', given(2, 'drop')],
  ]);
  assert.equal(believed(phases, known)?.phase, 'drop');
});

test('a replaced key is kept for thirty days, without what could be used for more', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  const [first] = retire([], OLD, now);
  assert.ok(first);
  assert.ok(!JSON.stringify(first).includes(OLD.toString('base64').slice(0, 20)));
  assert.equal(retire([first], OLD, now).length, 1);
  const later = (ms: number) => inTime([first], new Date(now.getTime() + ms)).length;
  assert.deepEqual([later(RETIRED_MS - 1), later(RETIRED_MS)], [1, 0]);
});

test('what is no answer gives no key', () => {
  const { privateKey } = wireguardKeys(identityOf(3).seed);
  const almost = { rotation: 'ab'.repeat(8), phase: 'done', newFingerprint: '00000000' };
  for (const answer of [undefined, null, 7, {}, almost, { ...almost, sealed: 'x'.repeat(2_000) }]) {
    assert.equal(readGiven(answer, privateKey), undefined);
  }
});
