/** Puts a seed on the stick's CIDATA partition before the stick becomes a whole one. */
import * as path from 'node:path';
import type { BlockDevice } from '../../agent/installer/device.ts';
import { type Partition, readTable } from '../../agent/installer/gpt.ts';
import { writeChecked } from '../../agent/installer/ranges.ts';
import { CLOUD_FILES, entryOf, SEED_FOLDER } from '../../agent/seed/names.ts';
import { OperatorError } from '../errors.ts';
import { files, run } from '../host.ts';
import { readerOf } from './source.ts';

const MTOOLS = { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '1' };
const BLOCK = 4096;
/** Of the images' partition tables. */
const SECTOR = 512;
/** Read and compared at once. */
const PIECE = 1024 * 1024;

/**
 * @param seed a folder with the seed's files, or a volume that `clusteros-build seed` wrote
 * @param workFolder private: the key passes through it
 * @returns the files, as paths on the volume
 * @throws OperatorError `flash.seed`, `command.failed`; DeviceFault
 */
export async function putSeed(
  device: BlockDevice,
  start: Buffer,
  seed: string,
  workFolder: string,
): Promise<string[]> {
  const partition = await seedPartition(device, start, device.sector);
  const tree = await seedTree(seed, workFolder);
  const names = await files.listFolder(tree);
  const volume = path.join(workFolder, 'cidata.img');
  const before = Buffer.alloc(partition.length);
  for (let at = 0; at < partition.length; at += PIECE) {
    const length = Math.min(PIECE, partition.length - at);
    before.set(await device.read(partition.offset + at, length), at);
  }
  await files.writeAtomic(volume, before, 0o600);
  const sources = names.map((name) => path.join(tree, name));
  await run(['mcopy', '-s', '-o', '-i', volume, ...sources, '::/'], { env: MTOOLS });
  const after = await files.readBytes(volume);
  for (let at = 0; at < after.length; at += BLOCK) {
    const block = after.subarray(at, at + BLOCK);
    if (!before.subarray(at, at + BLOCK).equals(block))
      await writeChecked(device, block, partition.offset + at);
  }
  const { stdout } = await run(['mdir', '-b', '-/', '-i', volume, '::'], { env: MTOOLS });
  return stdout
    .split('\n')
    .map((line) => line.trim().replace(/^::\//, ''))
    .filter((line) => line !== '' && !line.endsWith('/'))
    .sort();
}

/** Before anything is written: the image has a place for a seed. @throws OperatorError `flash.seed` */
export async function assertTakesSeed(image: string): Promise<void> {
  const reader = readerOf(image);
  try {
    await seedPartition(reader, await reader.read(0, PIECE), SECTOR);
  } finally {
    await reader.close();
  }
}

async function seedPartition(
  from: Pick<BlockDevice, 'read'>,
  start: Buffer,
  sector: number,
): Promise<Partition> {
  const small = (readTable(start, sector) ?? []).filter(
    ({ length }) => length >= BLOCK && length <= 256 * 1024 * 1024,
  );
  for (const partition of small.sort((a, b) => a.offset - b.offset)) {
    const boot = (await from.read(partition.offset, BLOCK)).toString('latin1');
    // The label in a FAT's first sector: of FAT32, of FAT12 and FAT16.
    if ([boot.slice(71, 82), boot.slice(43, 54)].some((label) => label.trim() === 'CIDATA')) return partition;
  }
  throw new OperatorError({
    code: 'flash.seed',
    message: 'the image has no CIDATA partition for the seed',
    fix: 'flash an image of the target usb; with others put the seed on a second stick',
  });
}

async function seedTree(seed: string, workFolder: string): Promise<string> {
  const status = await files.statOrUndefined(seed);
  if (status?.isDirectory()) return seed;
  const tree = path.join(workFolder, 'seed');
  await files.makeFolder(tree, 0o700);
  const isIso = (await files.readBytes(seed)).toString('latin1', 32_769, 32_774) === 'CD001';
  if (isIso) await run(['xorriso', '-osirrox', 'on', '-indev', seed, '-extract', '/', tree]);
  else await run(['mcopy', '-s', '-n', '-i', seed, '::/*', tree], { env: MTOOLS });
  return tree;
}

function isSeed(names: readonly string[]): boolean {
  return [SEED_FOLDER, ...CLOUD_FILES].some((wanted) => entryOf(names, wanted) !== undefined);
}

/** By the mark of a boot sector, or of a volume descriptor: not what else an image may be. */
async function isVolume(seed: string): Promise<boolean> {
  const handle = await files.openFile(seed, 'r');
  const at = async (place: number, length: number) =>
    (await handle.read(Buffer.alloc(length), 0, length, place)).buffer.toString('latin1');
  try {
    return (await at(32_769, 5)) === 'CD001' || (await at(510, 2)) === '\x55\xaa';
  } finally {
    await handle.close();
  }
}

/** Before anything is written. @throws OperatorError `flash.seed` */
export async function assertSeedExists(seed: string): Promise<void> {
  const status = await files.statOrUndefined(seed);
  const inside = status?.isDirectory() ? await files.listFolder(seed) : undefined;
  if (status?.isFile() && !(await isVolume(seed))) {
    throw new OperatorError({
      code: 'flash.seed',
      message: `${seed} is no seed: neither a FAT volume nor an ISO 9660 one`,
      fix: 'make one: npx clusteros-build seed --format fat; or name a folder with its files',
    });
  }
  if (inside !== undefined && inside.length > 0 && !isSeed(inside)) {
    throw new OperatorError({
      code: 'flash.seed',
      message: `the folder ${seed} is no seed: it has neither a folder ${SEED_FOLDER} nor user-data in it`,
      fix: 'name the folder that these lie in, or make a volume: npx clusteros-build seed --format fat',
    });
  }
  if (status !== undefined && (inside === undefined || inside.length > 0)) return;
  throw new OperatorError({
    code: 'flash.seed',
    exit: 'missing',
    message: status === undefined ? `there is no seed ${seed}` : `the folder ${seed} is empty`,
    fix: 'make one: npx clusteros-build seed --format fat',
  });
}
