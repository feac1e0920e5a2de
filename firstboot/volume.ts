import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { files, run } from '../build/host.ts';
import type { Intent } from '../build/may-write.ts';
import { SEED_LABEL, type SeedFile, volumeId } from './seed.ts';

export const SEED_FORMATS = ['iso', 'fat'] as const;
export type SeedFormat = (typeof SEED_FORMATS)[number];

/** All time stamps of a seed: 2026-01-01, after what FAT can express (1980) and fixed. */
const EPOCH = 1_767_225_600;
/** Small enough to attach anywhere, and with room for what is added by hand. */
const FAT_KIB = 4096;
/** A sector of a disc behind the volume, which nothing reads: by it we know a volume again that nobody has edited. */
const TAIL = 2048;
const TAIL_WORDS = 'clusteros-build wrote this seed; sha256:';

/**
 * Write the volume: an ISO 9660 file system with Joliet and Rock Ridge, or a FAT one that can be edited.
 * Same files, same bytes. The result is 0600, as it holds the key, and appears whole or not at all.
 *
 * @throws OperatorError `program.missing`, `command.failed`, `file.unwritable`, `disk.full`
 */
export async function writeVolume(
  seed: readonly SeedFile[],
  format: SeedFormat,
  output: string,
  signal?: AbortSignal,
): Promise<void> {
  const target = path.resolve(output);
  const folder = path.dirname(target);
  // Beside the result, for the rename; private, for the key.
  const work = await files.makeWorkFolder(folder, '.seed');
  try {
    const tree = path.join(work, 'tree');
    await layOut(seed, tree);
    const image = path.join(work, 'image');
    const env = { SOURCE_DATE_EPOCH: String(EPOCH) };
    if (format === 'iso') await run(isoArgv(tree, image), { env, signal });
    else await makeFat(seed, tree, image, env, signal);
    // By way of a file that is 0600 from its first byte.
    await files.writeAtomic(target, withTail(await files.readBytes(image)), 0o600);
  } finally {
    await files.remove(work);
  }
}

/** For the gateway, before a volume is written where the operator says. */
export const SEED_INTENT: Intent = {
  what: 'the seed',
  ours: isOwnVolume,
  onDevice: (device: string) =>
    `npx clusteros-build seed --format fat --output seed.img; sudo npx clusteros-build flash ${device} seed.img`,
};

function withTail(volume: Buffer): Buffer {
  const tail = Buffer.alloc(TAIL);
  tail.write(`${TAIL_WORDS}${createHash('sha256').update(volume).digest('hex')}\n`);
  return Buffer.concat([volume, tail]);
}

/** Whether bytes are a volume of ours as it was written: what was added by hand to a FAT one would be lost. */
function isOwnVolume(bytes: Buffer): boolean {
  return bytes.length > TAIL && withTail(bytes.subarray(0, -TAIL)).equals(bytes);
}

function isoArgv(tree: string, image: string): string[] {
  return [
    ...['xorriso', '-as', 'mkisofs', '-quiet', '-volid', SEED_LABEL, '-joliet', '-rock'],
    ...['-uid', '0', '-gid', '0', '-dir-mode', '0755', '-file-mode', '0600'],
    ...['-o', image, tree],
  ];
}

async function makeFat(
  seed: readonly SeedFile[],
  tree: string,
  image: string,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = { env, signal };
  const format = ['mkfs.vfat', '--invariant', '-n', SEED_LABEL, '-i', volumeId(seed)];
  await run([...format, '-C', image, String(FAT_KIB)], options);
  await run(['mmd', '-i', image, '::/clusteros'], options);
  // One after the other, in the order of the list: the order of the entries is part of the bytes.
  for (const { path: name } of seed) {
    await run(['mcopy', '-m', '-i', image, path.join(tree, name), `::/${name}`], options);
  }
}

async function layOut(seed: readonly SeedFile[], tree: string): Promise<void> {
  const folders = new Set([tree]);
  for (const { path: name, text } of seed) {
    const file = path.join(tree, name);
    await files.writeAtomic(file, text, 0o600);
    await setTimes(file);
    folders.add(path.dirname(file));
  }
  // After the files, whose writing changes the folders.
  for (const folder of folders) await setTimes(folder);
}

async function setTimes(target: string): Promise<void> {
  const handle = await files.openFile(target, 'r');
  try {
    await handle.utimes(EPOCH, EPOCH);
  } finally {
    await handle.close();
  }
}
