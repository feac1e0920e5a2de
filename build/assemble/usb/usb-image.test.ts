import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { readTable } from '../../../agent/installer/gpt.ts';
import { readBmap } from '../../flash/bmap.ts';
import { freshFolder, needs, output } from '../testing/images.ts';
import { chance, liveOptions } from '../testing/live.ts';
import { assembleUsb, bmapOf } from './usb-image.ts';

const TOOLS = needs('mksquashfs', 'unsquashfs', 'mkfs.vfat', 'mcopy', 'mdir', 'zstd', 'sfdisk', 'e2fsck');
const MIB = 2 ** 20;

async function makeStick(t: TestContext) {
  const place = freshFolder(t);
  const work = path.join(place, 'work');
  await fs.mkdir(work);
  const file = path.join(place, 'x.img.zst');
  await assembleUsb(file, liveOptions(work, 'usb'));
  return { place, work, file };
}

async function unpackedStick(t: TestContext) {
  const { place, file } = await makeStick(t);
  const raw = path.join(place, 'x.img');
  output(['zstd', '--decompress', '--quiet', file, '-o', raw]);
  const bytes = await fs.readFile(raw);
  return { place, file, raw, bytes, partitions: readTable(bytes, 512) ?? [] };
}

test('a stick has the four partitions, and its block map says all that must be written', TOOLS, async (t) => {
  const { file, raw, bytes, partitions } = await unpackedStick(t);
  assert.match(output(['sfdisk', '--verify', raw]), /No errors detected/);
  assert.deepEqual(
    partitions.map(({ name }) => name),
    ['bios-boot', 'esp', 'seed', 'live'],
  );
  const map = readBmap(await fs.readFile(bmapOf(file), 'utf8'), 'the map');
  assert.equal(map.size, bytes.length);
  const written = Buffer.alloc(bytes.length);
  for (const { offset, length, sha256 } of map.ranges) {
    const range = bytes.subarray(offset, offset + length);
    assert.equal(createHash('sha256').update(range).digest('hex'), sha256);
    range.copy(written, offset);
  }
  assert.ok(written.equals(bytes), 'nothing lies outside of the map');
  const mapped = map.ranges.reduce((sum, { length }) => sum + length, 0);
  assert.ok(mapped < bytes.length / 2, `${mapped} of ${bytes.length} bytes are written`);
  // The tables of a FAT must be zeros where a used stick has something else.
  const seed = partitions[2];
  const head = map.ranges.find(({ offset }) => offset === seed?.offset);
  assert.ok((head?.length ?? 0) >= 128 * 1024, `${head?.length} bytes of the seed's tables`);
});

test(
  'any computer finds the sample on the stick, and a machine finds nothing to take in it',
  TOOLS,
  async (t) => {
    const { raw, partitions } = await unpackedStick(t);
    const at = `${raw}@@${partitions[2]?.offset}`;
    const env = { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '1' };
    const names = output(['mdir', '-b', '-/', '-i', at, '::'], { env });
    for (const name of [
      'README.txt',
      'clusteros/install.yaml',
      'clusteros/node.yaml',
      'examples/user-data',
    ]) {
      assert.ok(names.includes(`::/${name}`), names);
    }
    assert.doesNotMatch(names, /::\/(clusteros\/cluster.key|user-data|meta-data)/);
    const install = output(['mtype', '-i', at, '::/clusteros/install.yaml'], { env });
    assert.ok(
      install.split(/\r\n/).every((line) => line === '' || line.startsWith('#')),
      install,
    );
  },
);

test(
  'the squashfs has the system once, as a sound file system, with what the installer needs',
  TOOLS,
  async (t) => {
    const { place, bytes, partitions } = await unpackedStick(t);
    const [, , , live] = partitions;
    assert.ok(live);
    const squashfs = path.join(place, 'live.squashfs');
    // Its superblock says how long it is: squashfs_fs.h, bytes_used.
    const used = Number(bytes.readBigUInt64LE(live.offset + 40));
    await fs.writeFile(squashfs, bytes.subarray(live.offset, live.offset + used));
    const tree = path.join(place, 'tree');
    output(['unsquashfs', '-q', '-n', '-d', tree, squashfs]);
    assert.deepEqual((await fs.readdir(tree)).sort(), ['install', 'live']);
    const names = (await fs.readdir(path.join(tree, 'install'))).sort();
    assert.deepEqual(names, ['core.img', 'esp.img', 'esp4096.img', 'install.json', 'root.ext4']);
    output(['e2fsck', '-f', '-n', path.join(tree, 'install/root.ext4')]);
    assert.ok(used < 8 * MIB, `${used} bytes: chance is there once`);
    assert.equal((await fs.stat(path.join(tree, 'live/etc/systemd/system/node-agent.service'))).size, 0);
    const init = output(['debugfs', '-R', 'stat /usr/sbin/init', path.join(tree, 'install/root.ext4')]);
    assert.match(init, new RegExp(`Size: ${chance('init', 3_000_000).length}`));
  },
);

test(
  'the same stick comes out in another folder, and leaves nothing but the shared squashfs behind',
  TOOLS,
  async (t) => {
    const [one, other] = [await makeStick(t), await makeStick(t)];
    for (const name of [path.basename(one.file), path.basename(bmapOf(one.file))]) {
      const [a, b] = await Promise.all([one, other].map(({ place }) => fs.readFile(path.join(place, name))));
      assert.ok(a !== undefined && b !== undefined && a.equals(b), name);
    }
    const left = await fs.readdir(one.work);
    assert.equal(left.length, 1, left.join(' '));
    assert.match(left[0] ?? '', /^live-[0-9a-f-]+\.squashfs$/);
  },
);
