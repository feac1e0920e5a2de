import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import type { OperatorError } from '../build/errors.ts';
import { files } from '../build/host.ts';
import { readClusterKey, readJoinToken, readPublicKeys } from './secrets.ts';

const folder = await files.makeWorkFolder(tmpdir(), 'coskeys');
after(() => files.remove(folder));
const file = path.join(folder, 'cluster.key');
const key = Buffer.alloc(32, 7).toString('base64');

test('a cluster key of the owner alone is read', async () => {
  await files.writeAtomic(file, ` ${key}\r\n`, 0o600);
  assert.equal(await readClusterKey(file), key);
});

test('a cluster key that the group or others may read is refused, with the remedy', async () => {
  for (const mode of [0o640, 0o604, 0o660, 0o644]) {
    await files.writeAtomic(file, key, mode);
    await assert.rejects(readClusterKey(file), { code: 'key.mode', fix: `chmod 600 ${file}` });
  }
});

test('a key of another length, in another form or of zeroes is refused, and not repeated', async () => {
  const wrong = [
    Buffer.alloc(31, 7).toString('base64'),
    'f'.repeat(64),
    '',
    'not a key!',
    Buffer.alloc(32).toString('base64'),
  ];
  for (const text of wrong) {
    await files.writeAtomic(file, text, 0o600);
    await assert.rejects(readClusterKey(file), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'key.invalid');
      assert.ok(text === '' || !error.message.includes(text), error.message);
      return true;
    });
  }
});

test('a key that is not there, or a folder in its place, is told with what to do', async () => {
  await assert.rejects(readClusterKey(path.join(folder, 'none')), { code: 'key.missing' });
  await assert.rejects(readClusterKey(folder), { code: 'key.missing' });
});

test('an address, a folder or the key itself in place of a key file is told with what to do', async () => {
  const itself = `ssh-ed25519 ${Buffer.concat([Buffer.from('0000000b', 'hex'), Buffer.from('ssh-ed25519'), Buffer.from('00000020', 'hex'), Buffer.alloc(32, 7)]).toString('base64')} me`;
  for (const [given, fix] of [
    ['https://example.org/me.keys', /curl .* https:\/\/example.org\/me.keys$/],
    [folder, /name a .pub file/],
    [path.join(folder, 'none.pub'), /name a .pub file/],
    [itself, /name a .pub file/],
  ] as const)
    await assert.rejects(readPublicKeys(given), (error: OperatorError) => {
      assert.equal(error.code, 'ssh-key.missing');
      assert.match(error.fix ?? '', fix);
      return !error.message.includes('AAAA');
    });
});

test('a file without a public key, a huge one and a secret are mistakes that show nothing of them', async () => {
  const other = path.join(folder, 'other');
  for (const text of [
    '# nothing\n',
    `${'x'.repeat(100)}\n`.repeat(20_000),
    `${key}\n`,
    '12345678.secret\n',
  ]) {
    await files.writeAtomic(other, text);
    const { keys, mistakes } = await readPublicKeys(other);
    assert.deepEqual([keys.length, mistakes.length], [0, 1]);
    assert.doesNotMatch(mistakes[0]?.text ?? '', /secret|xxx|Bwc/);
  }
});

test('a cluster key and a token are read however an editor saves them', async () => {
  const token = `${'A'.repeat(8)}.${'b'.repeat(24)}`;
  for (const text of [`\ufeff${key}\r\n`, `\ufeff${token}\r\nIt lets one machine in.\r\n`]) {
    for (const bytes of [
      Buffer.from(text),
      Buffer.from(text, 'utf16le'),
      Buffer.from(text, 'utf16le').swap16(),
    ]) {
      await files.writeAtomic(file, bytes, 0o600);
      const read = text.includes(key) ? await readClusterKey(file) : await readJoinToken(file);
      assert.equal(read, text.includes(key) ? key : token);
    }
  }
});
