import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { test } from 'node:test';
import { buildExt4 } from '../ext4/build.ts';
import { EPOCH, file, folder, freshFolder, needs, output } from '../testing/images.ts';
import { chance } from '../testing/live.ts';
import { mapImage } from './image-map.ts';
import { ext4Tables, fatTables } from './tables.ts';

const MIB = 2 ** 20;

test(
  'an ext4 written by its map over an old disk is sound, whatever the disk held before',
  needs('e2fsck', 'dumpe2fs'),
  async (t) => {
    const tree = new Map([
      ['', folder()],
      ['some', file(chance('some', 40 * MIB))],
    ]);
    const size = 2048 * MIB;
    const image = buildExt4(tree, { size, uuid: Buffer.alloc(16, 7), label: 'root', epoch: EPOCH });
    const name = path.join(freshFolder(t), 'disk');
    const disk = await fs.open(name, 'w');
    // Ones everywhere that anything reads: the first 256 MiB, and the start of each group.
    for (let at = 0; at < size; at += at < 256 * MIB ? MIB : 128 * MIB) {
      for (let piece = 0; piece < (at < 256 * MIB ? 1 : 8); piece++) {
        await disk.write(Buffer.alloc(MIB, 0xff), 0, MIB, at + piece * MIB);
      }
    }
    await disk.truncate(size);
    const map = await mapImage(image, ext4Tables(image), async ({ offset, bytes }) => {
      await disk.write(bytes, 0, bytes.length, offset);
    });
    await disk.close();
    output(['e2fsck', '-f', '-n', name]);
    const written = map.ranges.reduce((sum, { length }) => sum + length, 0);
    assert.ok(written < 256 * MIB, `${written} bytes are written`);
    // Each table of inodes is zeros behind what is in use, as the descriptors say.
    const groups = output(['dumpe2fs', name]).matchAll(/Inode table at (\d+)-(\d+)/g);
    const bytes = await fs.open(name);
    let seen = 0;
    for (const [, first] of groups) {
      const last = Buffer.alloc(4096);
      await bytes.read(last, 0, 4096, (Number(first) + 511) * 4096);
      assert.ok(
        last.every((byte) => byte === 0),
        `the table at ${first}`,
      );
      seen++;
    }
    await bytes.close();
    assert.equal(seen, 16);
  },
);

test('the tables of a FAT end where its first file could begin', needs('mkfs.vfat'), async (t) => {
  const name = path.join(freshFolder(t), 'fat');
  for (const [bits, sector] of [
    ['32', '512'],
    ['16', '512'],
    ['16', '4096'],
  ] as const) {
    await fs.rm(name, { force: true });
    output(['mkfs.vfat', '-C', '-F', bits, '-S', sector, name, '65536']);
    const bytes = await fs.readFile(name);
    const { from, to } = fatTables({ segments: [{ offset: 0, length: bytes.length, source: bytes }] });
    assert.equal(from, 0);
    assert.ok(
      bytes.subarray(to).every((byte) => byte === 0),
      `FAT${bits} with ${sector}`,
    );
    assert.ok(to > 32 * 1024 && to < 3 * MIB, `FAT${bits} with ${sector}: ${to}`);
  }
});
