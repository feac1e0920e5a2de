import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { test } from 'node:test';
import { matchesGolden } from '../../../qemu/golden.ts';
import { inOrder, type Segment, wholeImage } from '../segments.ts';
import { call, EPOCH, freshFolder, needs, output, writeRaw } from '../testing/images.ts';
import { biosBoot } from './bios-boot.ts';
import { makeEsp } from './esp.ts';
import { GRUB_STUB, grubMenu } from './grub-config.ts';
import { diskIdentifiers } from './identifiers.ts';
import { diskLayout, partitionTable } from './partitions.ts';

const MIB = 2 ** 20;
const IDS = diskIdentifiers('a disk');
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('the ids of a disk are valid, all different, and follow from its seed alone', () => {
  const { espVolume, ...uuids } = IDS;
  for (const [name, uuid] of Object.entries(uuids)) assert.match(uuid, UUID, name);
  assert.match(espVolume, /^[0-9a-f]{8}$/);
  assert.equal(new Set(Object.values(IDS)).size, 6);
  assert.deepEqual(diskIdentifiers('a disk'), IDS);
  const other = Object.values(diskIdentifiers('another disk'));
  assert.deepEqual(
    other.filter((id) => Object.values(IDS).includes(id)),
    [],
  );
});

for (const size of [2048 * MIB, 8192 * MIB, 2 ** 43]) {
  test(
    `the partition table of a disk of ${size / MIB} MiB is what sfdisk accepts`,
    needs('sfdisk'),
    async (t) => {
      const folder = freshFolder(t);
      const layout = diskLayout(size);
      const table = await partitionTable(layout, IDS, folder);
      assert.deepEqual(await fs.readdir(folder), []);
      const disk = await writeRaw(inOrder(size, table), path.join(folder, 'disk.raw'));
      assert.match(output(['sfdisk', '--verify', disk]), /No errors detected/);
      const { partitiontable: found } = JSON.parse(output(['sfdisk', '--json', disk])) as {
        partitiontable: { label: string; id: string; partitions: Record<string, string | number>[] };
      };
      assert.equal(found.label, 'gpt');
      assert.equal(found.id.toLowerCase(), IDS.disk);
      assert.deepEqual(
        found.partitions.map(({ start, size: sectors, type, uuid, name }) => [
          start,
          sectors,
          type,
          String(uuid).toLowerCase(),
          name,
        ]),
        [
          [2048, 2048, '21686148-6449-6E6F-744E-656564454649', IDS.biosBoot, 'bios-boot'],
          [4096, 131_072, 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', IDS.esp, 'esp'],
          [135_168, size / 512 - 135_168 - 2048, '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709', IDS.root, 'root'],
        ],
      );
      assert.equal(layout.root.offset + layout.root.length, size - MIB);
    },
  );
}

test('a disk larger than the host can hold as a file is an error for the operator', async (t) => {
  await assert.rejects(partitionTable(diskLayout(2 ** 52), IDS, freshFolder(t)), { code: 'file.unwritable' });
});

test('the table is the same bytes every time', needs('sfdisk'), async (t) => {
  const folder = freshFolder(t);
  const layout = diskLayout(2048 * MIB);
  assert.deepEqual(await partitionTable(layout, IDS, folder), await partitionTable(layout, IDS, folder));
});

const LAYOUT = diskLayout(2048 * MIB);

function bootImage(): Buffer {
  const boot = Buffer.alloc(512, 0xee);
  boot.writeUInt16LE(0xaa55, 510);
  return boot;
}

test("GRUB's code goes in front of the table, and knows where its other part is", () => {
  const table: Segment[] = [
    { offset: 0, length: 1024, source: Buffer.alloc(1024, 0x11) },
    { offset: 4096, length: 1, source: Buffer.of(2) },
  ];
  const core = Buffer.alloc(2000, 0x33);
  const [first, second, third] = biosBoot(bootImage(), core, LAYOUT, table);
  const code = Buffer.from(first?.source as Uint8Array);
  assert.equal(code.length, 1024);
  assert.equal(code.readBigUInt64LE(0x5c), 2048n);
  assert.equal(code.readUInt16LE(0x66), 0x9090);
  assert.ok(code.subarray(0, 0x5c).every((byte) => byte === 0xee));
  // The signature, the protective entry and all that follows are the table's.
  assert.ok(code.subarray(440).every((byte) => byte === 0x11));
  assert.deepEqual(second, table[1]);
  assert.equal(third?.offset, MIB);
  assert.equal(Buffer.from(third?.source as Uint8Array).readBigUInt64LE(500), 2049n);
  assert.ok(
    core.every((byte) => byte === 0x33),
    'the image that was given is unchanged',
  );
});

test('a core that does not fit, and code that is none, are refused', () => {
  assert.throws(() => biosBoot(bootImage(), Buffer.alloc(MIB + 1), LAYOUT, []), /core.img does not fit/);
  assert.doesNotThrow(() => biosBoot(bootImage(), Buffer.alloc(MIB), LAYOUT, []));
  assert.throws(() => biosBoot(Buffer.alloc(512), Buffer.alloc(512), LAYOUT, []), /boot.img is not GRUB's/);
  assert.throws(() => biosBoot(Buffer.alloc(100), Buffer.alloc(512), LAYOUT, []), /boot.img is not GRUB's/);
});

const ESP_TOOLS = needs('mkfs.vfat', 'fsck.vfat', 'mcopy', 'mdir');
const FILES = [
  { path: 'EFI/BOOT/BOOTX64.EFI', bytes: Buffer.alloc(900_000, 'shim ') },
  { path: 'EFI/debian/grub.cfg', bytes: Buffer.from('configfile x\n') },
];

test(
  'the EFI system partition is a clean file system with its files, their times and its id',
  ESP_TOOLS,
  async (t) => {
    const folder = freshFolder(t);
    const options = { size: 64 * MIB, volume: 'cafe0123', epoch: EPOCH, workFolder: folder };
    const esp = await wholeImage(await makeEsp(FILES, options));
    assert.equal(esp.length, 64 * MIB);
    assert.deepEqual(await fs.readdir(folder), []);
    const image = path.join(folder, 'esp.raw');
    await fs.writeFile(image, esp);
    const { status, stdout } = call(['fsck.vfat', '-n', image]);
    assert.equal(status, 0, stdout);
    const env = { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '1' };
    const listed = output(['mdir', '-i', image, '-/', '::'], { env });
    assert.match(listed, /Volume Serial Number is CAFE-0123/);
    assert.match(listed, /grub +cfg +13 2023-11-14 +22:13/);
    assert.doesNotMatch(listed.replaceAll('2023-11-14', ''), /\d{4}-\d\d-\d\d/);
    for (const { path: name, bytes } of FILES) {
      const copy = path.join(folder, 'copy');
      output(['mcopy', '-n', '-i', image, `::/${name}`, copy], { env });
      assert.ok((await fs.readFile(copy)).equals(bytes), name);
      await fs.rm(copy);
    }
  },
);

test('the same EFI system partition comes out later and in another time zone', ESP_TOOLS, async (t) => {
  const options = { size: 64 * MIB, volume: 'cafe0123', epoch: EPOCH, workFolder: freshFolder(t) };
  const first = await wholeImage(await makeEsp(FILES, options));
  const zone = process.env.TZ;
  process.env.TZ = 'Asia/Tokyo';
  t.after(() => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });
  // FAT counts in steps of two seconds: a time that leaks in would show.
  await new Promise((resolve) => setTimeout(resolve, 2100));
  assert.ok(first.equals(await wholeImage(await makeEsp(FILES, options))));
});

test('files that do not fit are an error, and nothing stays in the work folder', ESP_TOOLS, async (t) => {
  const folder = freshFolder(t);
  const options = { size: 34 * MIB, volume: 'cafe0123', epoch: EPOCH, workFolder: folder };
  await assert.rejects(
    makeEsp([{ path: 'EFI/big', bytes: Buffer.alloc(40 * MIB) }], options),
    /mcopy failed/,
  );
  assert.deepEqual(await fs.readdir(folder), []);
});

const MENU = grubMenu({ title: 'Cluster-OS (debian-13)' });
const STUB = GRUB_STUB;

test("GRUB's menu and the stub that leads to it are as reviewed", async () => {
  await matchesGolden(new URL('goldens/grub-menu.golden', import.meta.url), MENU);
  await matchesGolden(new URL('goldens/grub-stub.golden', import.meta.url), STUB);
});

test('GRUB itself accepts both', needs('grub-script-check'), () => {
  for (const text of [MENU, STUB]) output(['grub-script-check'], { input: text });
});
