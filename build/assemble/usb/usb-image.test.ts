import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readTable } from '../../../agent/installer/gpt.ts';
import { readBmap } from '../../flash/bmap.ts';
import { freshFolder, needs, output } from '../testing/images.ts';
import { chance, liveOptions } from '../testing/live.ts';
import { assembleUsb, bmapOf } from './usb-image.ts';

const TOOLS = needs('mksquashfs', 'unsquashfs', 'mkfs.vfat', 'mcopy', 'mdir', 'zstd', 'sfdisk', 'e2fsck');
const MIB = 2 ** 20;

async function makeStick(place: string) {
  const work = path.join(place, 'work');
  await fs.mkdir(work, { recursive: true });
  const file = path.join(place, 'x.img.zst');
  await assembleUsb(file, liveOptions(work, 'usb'));
  return { place, work, file };
}

/** Unpacked: more than a GiB, nearly all of it zeros. */
async function unpacked({ place, file }: { place: string; file: string }) {
  const raw = path.join(place, 'x.img');
  output(['zstd', '--decompress', '--quiet', '--sparse', file, '-o', raw]);
  const bytes = await fs.readFile(raw);
  return { place, file, raw, bytes, partitions: readTable(bytes, 512) ?? [] };
}

function isZero(bytes: Buffer): boolean {
  return (
    bytes.length === 0 || (bytes[0] === 0 && bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0)
  );
}

describe('a stick', TOOLS, () => {
  let place: string;
  let stick: Awaited<ReturnType<typeof unpacked>>;
  before(async () => {
    place = mkdtempSync(path.join(tmpdir(), 'stick-test.'));
    stick = await unpacked(await makeStick(place));
  });
  after(() => rmSync(place, { recursive: true, force: true }));

  test('a stick has the four partitions, and its block map says all that must be written', async () => {
    const { file, raw, bytes, partitions } = stick;
    assert.match(output(['sfdisk', '--verify', raw]), /No errors detected/);
    assert.deepEqual(
      partitions.map(({ name }) => name),
      ['bios-boot', 'esp', 'seed', 'live'],
    );
    const map = readBmap(await fs.readFile(bmapOf(file), 'utf8'), 'the map');
    assert.equal(map.size, bytes.length);
    let end = 0;
    for (const { offset, length, sha256 } of map.ranges) {
      const range = bytes.subarray(offset, offset + length);
      assert.equal(createHash('sha256').update(range).digest('hex'), sha256);
      assert.ok(isZero(bytes.subarray(end, offset)), `something lies outside of the map, behind ${end}`);
      end = offset + length;
    }
    assert.equal(end, bytes.length, 'the backup of the table is the last of it');
    const mapped = map.ranges.reduce((sum, { length }) => sum + length, 0);
    assert.ok(mapped < bytes.length / 2, `${mapped} of ${bytes.length} bytes are written`);
    // The tables of a FAT must be zeros where a used stick has something else.
    const seed = partitions[2];
    const head = map.ranges.find(({ offset }) => offset === seed?.offset);
    assert.ok((head?.length ?? 0) >= 128 * 1024, `${head?.length} bytes of the seed's tables`);
  });

  test('any computer finds the sample on the stick, and a machine finds nothing to take in it', async () => {
    const { raw, partitions } = stick;
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
  });

  test('the squashfs has the system once, as a sound file system, with what the installer needs', async () => {
    const { place, bytes, partitions } = stick;
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
    const { partitions: parts } = JSON.parse(
      await fs.readFile(path.join(tree, 'install/install.json'), 'utf8'),
    );
    for (const { content, content4096 = content } of parts) {
      for (const { file, map } of [content, content4096]) {
        const handle = await fs.open(path.join(tree, 'install', file));
        assert.equal((await handle.stat()).size, map.size, file);
        for (const { offset, length, sha256 } of map.ranges) {
          const { buffer } = await handle.read(Buffer.alloc(length), 0, length, offset);
          assert.equal(createHash('sha256').update(buffer).digest('hex'), sha256, `${file} at ${offset}`);
        }
        await handle.close();
      }
    }
    assert.ok(used < 8 * MIB, `${used} bytes: chance is there once`);
    assert.equal((await fs.stat(path.join(tree, 'live/etc/systemd/system/node-agent.service'))).size, 0);
    const init = output(['debugfs', '-R', 'stat /usr/sbin/init', path.join(tree, 'install/root.ext4')]);
    assert.match(init, new RegExp(`Size: ${chance('init', 3_000_000).length}`));
  });

  test('the same stick comes out in another folder, and leaves nothing but the shared squashfs behind', async (t) => {
    const [one, other] = [stick, await makeStick(freshFolder(t))];
    const work = path.join(one.place, 'work');
    for (const name of [path.basename(one.file), path.basename(bmapOf(one.file))]) {
      const [a, b] = await Promise.all([one, other].map(({ place }) => fs.readFile(path.join(place, name))));
      assert.ok(a !== undefined && b !== undefined && a.equals(b), name);
    }
    const left = await fs.readdir(work);
    assert.equal(left.length, 1, left.join(' '));
    assert.match(left[0] ?? '', /^live-[0-9a-f-]+\.squashfs$/);
  });
});
