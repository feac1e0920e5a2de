import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { diskIdentifiers } from '../../build/assemble/disk/identifiers.ts';
import { diskLayout, partitionTable } from '../../build/assemble/disk/partitions.ts';
import { makeTable, readTable } from './gpt.ts';

const MIB = 1024 * 1024;
const IDS = diskIdentifiers('a disk');

function partitionsOf(size: number) {
  const { biosBoot, esp, root } = diskLayout(size);
  return [
    { name: 'bios-boot', type: '21686148-6449-6e6f-744e-656564454649', uuid: IDS.biosBoot, ...biosBoot },
    { name: 'esp', type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', uuid: IDS.esp, ...esp },
    { name: 'root', type: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709', uuid: IDS.root, ...root },
  ];
}

for (const size of [8e9 - (8e9 % 512), 2048 * MIB, 2 ** 41 + 512 * 77]) {
  test(`on a disk of ${size} bytes the table is byte for byte that of sfdisk`, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'gpt.'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [start, end] = await partitionTable(diskLayout(size), IDS, folder);
    const { primary, backup } = makeTable({ size, sector: 512, uuid: IDS.disk }, partitionsOf(size));
    assert.deepEqual(primary, start?.source);
    assert.deepEqual(backup, { offset: end?.offset, bytes: end?.source });
    assert.deepEqual(readTable(primary, 512), partitionsOf(size));
  });
}

// install.test.ts has sfdisk look at one, on a device with such sectors.
test('with sectors of 4096 bytes the same places are other sectors', () => {
  const size = 8192 * MIB;
  const { primary, backup } = makeTable({ size, sector: 4096, uuid: IDS.disk }, partitionsOf(size));
  assert.deepEqual(readTable(primary, 4096), partitionsOf(size));
  assert.equal(readTable(primary, 512), undefined);
  assert.equal(backup.offset + backup.bytes.length, size);
});

test('a partition that does not fit, or overlaps, is a fault of ours', () => {
  const disk = { size: 100 * MIB, sector: 512, uuid: IDS.disk };
  const [bios, esp, root] = partitionsOf(100 * MIB);
  assert.ok(bios && esp && root);
  assert.throws(() => makeTable(disk, [esp, bios]), /does not fit/);
  assert.throws(() => makeTable(disk, [{ ...root, length: 34 * MIB }]), /does not fit/);
  assert.throws(() => makeTable(disk, [{ ...esp, offset: 100 }]), /does not fit/);
});

test('a damaged table is none', () => {
  const { primary } = makeTable({ size: 100 * MIB, sector: 512, uuid: IDS.disk }, partitionsOf(100 * MIB));
  for (const at of [512, 530, 1024, 1024 + 56]) {
    const damaged = Buffer.from(primary);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    assert.equal(readTable(damaged, 512), undefined);
  }
  assert.equal(readTable(Buffer.alloc(40_000), 512), undefined);
});
