import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DeviceFault } from './device.ts';
import { hasProtectiveMbr, readTable } from './gpt.ts';
import { writeRanges } from './ranges.ts';
import { smallImage, sparseSource } from './testing/images.ts';
import { MemoryDevice } from './testing/memory-device.ts';
import { finish, type InstallImage, isUnfinished, writeContents } from './write.ts';

const MIB = 1024 * 1024;

async function install(device: MemoryDevice, image: InstallImage): Promise<void> {
  await writeContents(device, image);
  await finish(device, image);
}

/** Firmware and kernel start from it. */
function isBootable(disk: Buffer, sector: number): boolean {
  return hasProtectiveMbr(disk) && readTable(disk, sector) !== undefined;
}

function isWhole(disk: Buffer, sector: number, image: InstallImage): boolean {
  const table = readTable(disk, sector);
  return image.partitions.every(
    ({ uuid, offset, content }) =>
      table?.some((found) => found.uuid === uuid && found.offset === offset) === true &&
      content.map.ranges.every(
        (range) =>
          createHash('sha256')
            .update(disk.subarray(offset + range.offset, offset + range.offset + range.length))
            .digest('hex') === range.sha256,
      ),
  );
}

/** True or false as a die would have it, and the same in each run. */
function chances(): () => boolean {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state % 2 === 0;
  };
}

for (const sector of [512, 4096]) {
  test(`a power cut at any write, with any sectors lost, leaves nothing bootable or a whole system (${sector})`, async () => {
    const [before, image] = [smallImage(), smallImage()];
    const device = new MemoryDevice(9 * MIB, sector, 0x5a);
    await install(device, before);
    device.now.copy(device.before);
    device.log.length = 0;
    await install(device, image);
    const seen = { nothing: 0, old: 0, whole: 0 };
    const chance = chances();
    for (let count = 0; count <= device.log.length; count++) {
      for (let round = 0; round < 6; round++) {
        const disk = device.afterCut(count, round === 0 ? () => true : chance);
        if (!isBootable(disk, sector)) seen.nothing += 1;
        else if (isWhole(disk, sector, before)) seen.old += 1;
        else {
          assert.ok(isWhole(disk, sector, image), `bootable but not whole after write ${count}`);
          seen.whole += 1;
        }
      }
    }
    assert.ok(seen.nothing > 20 && seen.whole > 0 && seen.old > 0, JSON.stringify(seen));
  });

  test(`a disk that was cut off in the middle says so, and starting again makes it whole (${sector})`, async () => {
    const image = smallImage();
    const device = new MemoryDevice(9 * MIB, sector, 0x5a);
    await install(device, image);
    assert.ok(isBootable(device.now, sector) && isWhole(device.now, sector, image));
    assert.ok(!isUnfinished(device.now));
    for (let count = 1; count < device.log.length; count += 3) {
      const disk = device.afterCut(count, () => true);
      if (!isBootable(disk, sector)) assert.ok(isUnfinished(disk), `after write ${count}`);
      const again = new MemoryDevice(9 * MIB, sector);
      disk.copy(again.now);
      await install(again, image);
      assert.ok(isBootable(again.now, sector) && isWhole(again.now, sector, image));
    }
  });
}

test('the boot code for BIOS goes to disks with sectors of 512 bytes only', async () => {
  for (const [sector, first] of [
    [512, 0xeb],
    [4096, 0],
  ] as const) {
    const device = new MemoryDevice(9 * MIB, sector);
    await install(device, smallImage());
    assert.equal(device.now[0], first);
  }
});

test('old signatures at the start and the end of the disk and of its partitions are gone', async () => {
  const device = new MemoryDevice(9 * MIB + 512 * 7, 512, 0x5a);
  await install(device, smallImage());
  const zero = (from: number, to: number) => device.now.subarray(from, to).every((byte) => byte === 0);
  assert.ok(zero(20_000, MIB) && zero(4 * MIB + 4096, 4 * MIB + 65_536));
  assert.ok(zero(device.size - MIB, device.size - 33 * 512));
});

test('a disk that gives back other bytes is told, and never becomes bootable', async () => {
  const image = smallImage();
  const device = new MemoryDevice(9 * MIB, 512);
  const { write } = device;
  device.write = async (bytes, offset) => {
    const worn = Buffer.from(bytes);
    if (offset <= 6 * MIB && offset + bytes.length > 6 * MIB)
      worn[6 * MIB - offset] = 1 ^ (worn[6 * MIB - offset] ?? 0);
    await write(worn, offset);
  };
  await assert.rejects(install(device, image), { kind: 'mismatch', message: /read back differs/ });
  assert.ok(!isBootable(device.now, 512) && isUnfinished(device.now));
});

test('a damaged or short image is told, and never becomes bootable', async () => {
  const good = sparseSource(MIB, [[0, 8192]]);
  const damaged = { ...good, read: async (offset: number, length: number) => Buffer.alloc(length, offset) };
  const short = { ...good, read: async () => Buffer.alloc(100) };
  for (const content of [damaged, short]) {
    const image = smallImage();
    const [first, ...rest] = image.partitions;
    assert.ok(first);
    const device = new MemoryDevice(9 * MIB, 512);
    const broken = { ...image, partitions: [{ ...first, content }, ...rest] };
    await assert.rejects(install(device, broken), { kind: 'source' });
    assert.ok(!isBootable(device.now, 512));
  }
});

test('a disk that is too small is refused before anything is written', async () => {
  const device = new MemoryDevice(7 * MIB, 512, 0x5a);
  await assert.rejects(install(device, smallImage()), { kind: 'too-small', message: /too small: 7.3 MB/ });
  assert.equal(device.log.length, 0);
});

test('a stop ends the writing, and the disk is marked', async () => {
  const controller = new AbortController();
  const device = new MemoryDevice(9 * MIB, 512, 0x5a);
  const options = { signal: controller.signal, onBytes: () => controller.abort(new Error('stop it')) };
  await assert.rejects(writeContents(device, smallImage(), options), /stop it/);
  assert.ok(isUnfinished(device.now));
});

test('a fault keeps its kind and its cause', () => {
  const cause = new Error('x');
  assert.equal(new DeviceFault('io', 'm', { cause }).cause, cause);
});

test("a source that fails after the stop is nobody's to wait for, and no fault of the program", async (t) => {
  const device = new MemoryDevice(MIB, 512);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  const failed = Promise.withResolvers<never>();
  const range = { offset: 0, length: 4096, sha256: '' };
  const source = { map: { size: 4096, ranges: [range] }, read: () => failed.promise };
  await assert.rejects(
    writeRanges(device, source, 0, { signal: AbortSignal.abort(new Error('stop it')) }),
    /stop it/,
  );
  failed.reject(new Error('the file is gone'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
});
