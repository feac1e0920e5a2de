import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { makeSandbox } from '../testing/sandbox.ts';
import { holdKey, loadKey } from './key-store.ts';
import { ensureIdentity, identityFile, loadIdentity, prepareState } from './store.ts';

test('the first call makes an identity, the next ones find it', async (t) => {
  const { state } = makeSandbox(t).paths;
  await prepareState(state);
  const first = await ensureIdentity(state);
  const second = await ensureIdentity(state);
  assert.deepEqual([first.created, second.created], [true, false]);
  assert.equal(second.identity.id, first.identity.id);
  assert.equal(statSync(identityFile(state)).mode & 0o7777, 0o600);
  assert.equal(statSync(state).mode & 0o7777, 0o700);
});

test('twenty that create an identity at once end up with one and the same', async (t) => {
  const { state } = makeSandbox(t).paths;
  await prepareState(state);
  const made = await Promise.all(Array.from({ length: 20 }, () => ensureIdentity(state)));
  assert.equal(new Set(made.map(({ identity }) => identity.id)).size, 1);
  assert.equal(made.filter(({ created }) => created).length, 1);
  assert.deepEqual(readdirSync(state), ['identity.json']);
});

test('a refused identity stays on the disk byte for byte', async (t) => {
  const { state } = makeSandbox(t).paths;
  await prepareState(state);
  for (const damage of ['', '{', '{"version":1}']) {
    writeFileSync(identityFile(state), damage, { mode: 0o600 });
    await assert.rejects(ensureIdentity(state), { code: 'identity.corrupted' });
    assert.equal(readFileSync(identityFile(state), 'utf8'), damage);
  }
});

test('a world-readable identity is refused until its mode is put right', async (t) => {
  const { state } = makeSandbox(t).paths;
  await prepareState(state);
  const { identity } = await ensureIdentity(state);
  chmodSync(identityFile(state), 0o644);
  await assert.rejects(loadIdentity(state), { code: 'identity.mode' });
  chmodSync(identityFile(state), 0o600);
  assert.equal((await loadIdentity(state))?.id, identity.id);
});

test('a link or a folder in the place of the identity is refused', async (t) => {
  const sandbox = makeSandbox(t);
  await prepareState(sandbox.paths.state);
  symlinkSync(sandbox.put('elsewhere', 'x'), identityFile(sandbox.paths.state));
  await assert.rejects(ensureIdentity(sandbox.paths.state), { code: 'file.kind' });
  const other = makeSandbox(t).paths.state;
  mkdirSync(identityFile(other), { recursive: true });
  await assert.rejects(ensureIdentity(other), { code: 'file.kind' });
});

test('what a killed writer left is removed, what a living one is writing is not', async (t) => {
  const sandbox = makeSandbox(t);
  sandbox.put('state/identity.json.4194305.0123456789ab.tmp', 'half');
  sandbox.put('state/identity.json.1.0123456789ab.tmp', 'of a process that lives');
  sandbox.put('state/notes.tmp', 'not ours');
  assert.deepEqual(await prepareState(sandbox.paths.state), ['identity.json.4194305.0123456789ab.tmp']);
  assert.deepEqual(readdirSync(sandbox.paths.state), ['identity.json.1.0123456789ab.tmp', 'notes.tmp']);
});

test('the first key that is held stays, and is 0600', async (t) => {
  const { state } = makeSandbox(t).paths;
  await prepareState(state);
  const key = Buffer.alloc(32, 3);
  assert.deepEqual(await holdKey(state, key), key);
  assert.deepEqual(await holdKey(state, Buffer.alloc(32, 4)), key);
  assert.equal(statSync(`${state}/cluster.key`).mode & 0o7777, 0o600);
  chmodSync(`${state}/cluster.key`, 0o640);
  await assert.rejects(loadKey(state), { code: 'key.mode' });
});
