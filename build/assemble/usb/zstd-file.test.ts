import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { files } from '../../host.ts';
import { freshFolder } from '../testing/images.ts';
import { chance } from '../testing/live.ts';
import { zstdFile } from './zstd-file.ts';

const MIB = 2 ** 20;

test('bytes and zeros come out in the order in which they were written, at once or one by one', async (t) => {
  const file = path.join(freshFolder(t), 'x.zst');
  const out = zstdFile(await files.openFile(file, 'wx'), file, 1);
  const [first, second] = [chance('first', 3 * MIB), chance('second', 5 * MIB)];
  await Promise.all([out.write(first), out.zeros(9 * MIB), out.write(second)]);
  await out.zeros(0);
  await out.end();
  await out.close();
  const whole = zstdDecompressSync(await fs.readFile(file));
  assert.ok(whole.equals(Buffer.concat([first, Buffer.alloc(9 * MIB), second])));
});

test('a full disk is told by the call that meets it and by each one after it', async () => {
  const out = zstdFile(await files.openFile('/dev/full', 'r+'), 'x.zst', 1);
  const full = { code: 'disk.full', exit: 'storage' };
  try {
    await assert.rejects(async () => {
      await Promise.all([out.write(chance('some', 9 * MIB)), out.write(chance('more', 9 * MIB))]);
      await out.end();
    }, full);
    await assert.rejects(out.write(Buffer.alloc(1)), full);
  } finally {
    await out.close();
  }
});

test('a file that is given up leaves its thread behind no more', async (t) => {
  const file = path.join(freshFolder(t), 'x.zst');
  const out = zstdFile(await files.openFile(file, 'wx'), file, 1);
  const writing = out.write(chance('some', 20 * MIB));
  await out.close();
  await assert.rejects(Promise.all([writing, out.end()]));
});
