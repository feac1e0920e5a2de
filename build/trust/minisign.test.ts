import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { files, run, tryRun } from '../host.ts';
import {
  checkSignature,
  keyName,
  parsePublicKey,
  parseSignKey,
  publicKeyOf,
  publicKeyText,
  signatureText,
  signKeyOf,
  signKeyText,
} from './minisign.ts';

const folder = await files.makeWorkFolder(tmpdir(), 'cosminisign');
after(() => files.remove(folder));
const at = (name: string) => path.join(folder, name);

const key = signKeyOf(Buffer.alloc(32, 7));
const open = publicKeyOf(key);
const message = Buffer.from('0123  image.qcow2\n');
const signature = signatureText(message, key, 'timestamp:5\tfile:SHA256SUMS\thashed');

test('a signature is the same every time, and fits only its message and key', () => {
  assert.equal(signatureText(message, key, 'timestamp:5\tfile:SHA256SUMS\thashed'), signature);
  assert.deepEqual(checkSignature(message, signature, open), {
    ok: true,
    trusted: 'timestamp:5\tfile:SHA256SUMS\thashed',
  });
  const other = publicKeyOf(signKeyOf(Buffer.alloc(32, 8)));
  assert.match(
    reason(checkSignature(message, signature, other)),
    /^it was made by the key [0-9A-F]{16}, not by/,
  );
  assert.match(reason(checkSignature(message, signature, { ...other, id: open.id })), /does not fit/);
  assert.match(reason(checkSignature(Buffer.from('x'), signature, open)), /does not fit/);
});

test('no byte of a signature can be changed unnoticed, but in its untrusted comment', () => {
  const start = signature.indexOf('\n') + 1;
  for (let index = start; index < signature.length - 1; index++) {
    const letter = signature[index] === 'A' ? 'B' : 'A';
    const changed = `${signature.slice(0, index)}${letter}${signature.slice(index + 1)}`;
    assert.equal(checkSignature(message, changed, open).ok, false, `at ${index}`);
  }
});

test('keys survive being written and read, and a damaged one is refused without being repeated', () => {
  assert.deepEqual(parseSignKey(signKeyText(key)), key);
  assert.deepEqual(parsePublicKey(publicKeyText(open)), open);
  const [, line = ''] = publicKeyText(open).split('\n');
  assert.deepEqual(parsePublicKey(line), open);
  const secret = signKeyText(key);
  for (const text of [
    '',
    'x',
    secret.slice(0, -20),
    publicKeyText(open),
    secret.replace('BwcHBwcH', 'BwcHBwcI'),
  ]) {
    const found = parseSignKey(text);
    assert.equal(typeof found, 'string', text);
  }
  assert.match(String(parseSignKey(publicKeyText(open))), /public key/);
  assert.match(String(parsePublicKey(secret)), /no minisign public key/);
});

test('minisign checks our signature with our public key', async () => {
  await files.writeAtomic(at('SHA256SUMS'), message);
  await files.writeAtomic(at('SHA256SUMS.minisig'), signature);
  await files.writeAtomic(at('ours.pub'), publicKeyText(open));
  const { stdout } = await run(['minisign', '-V', '-H', '-p', at('ours.pub'), '-m', at('SHA256SUMS')]);
  assert.match(stdout, /Signature and comment signature verified/);
  assert.match(stdout, /timestamp:5/);
  await files.writeAtomic(at('SHA256SUMS'), 'changed');
  const refused = await tryRun(['minisign', '-V', '-p', at('ours.pub'), '-m', at('SHA256SUMS')]);
  assert.notEqual(refused.exitCode, 0);
});

test('minisign signs with our secret key, and we check what it signed', async () => {
  await files.writeAtomic(at('ours.key'), signKeyText(key), 0o600);
  await files.writeAtomic(at('m'), message);
  await run(['minisign', '-S', '-s', at('ours.key'), '-m', at('m'), '-t', 'by hand']);
  const check = checkSignature(message, await files.readText(at('m.minisig')), open);
  assert.deepEqual(check, { ok: true, trusted: 'by hand' });
});

test("we sign with minisign's own keys, and refuse those with a passphrase", async () => {
  await run(['minisign', '-G', '-W', '-p', at('theirs.pub'), '-s', at('theirs.key')]);
  const theirs = parseSignKey(await files.readText(at('theirs.key')));
  assert.ok(typeof theirs !== 'string');
  const theirOpen = parsePublicKey(await files.readText(at('theirs.pub')));
  assert.ok(typeof theirOpen !== 'string');
  assert.deepEqual(publicKeyOf(theirs), theirOpen);
  assert.equal(
    keyName(Buffer.from('0807060504030201', 'hex')),
    '102030405060708',
    'as minisign, without zeros',
  );
  assert.match(await files.readText(at('theirs.pub')), new RegExp(`\\b${keyName(theirOpen.id)}\\b`));
  const locked = Buffer.from((await files.readText(at('theirs.key'))).split('\n')[1] ?? '', 'base64');
  locked.write('Sc', 2, 'latin1');
  assert.match(String(parseSignKey(`c\n${locked.toString('base64')}\n`)), /no minisign|passphrase/);
  assert.match(String(parseSignKey(`${locked.toString('base64')}\n`)), /passphrase/);
});

function reason(check: ReturnType<typeof checkSignature>): string {
  return check.ok ? '' : check.reason;
}
