/** Live media for tests: made by the real command, kept in .cache/ of the clone, and copied for each machine. */
import * as path from 'node:path';
import { readTable } from '../../agent/installer/gpt.ts';
import { files, run } from '../../build/host.ts';
import type { DiskSpec } from '../../qemu/argv.ts';
import { buildWithCli, TEST_IMAGES } from '../images.ts';

export type MediumKind = 'usb' | 'iso';

/** Files of a seed, by their path on the volume. */
type SeedTexts = Readonly<Record<string, string>>;

const MTOOLS = { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '1' };
const START = 1024 * 1024;

/** The artifacts of debian-13: a stick as plain bytes, and a disc. Both are made at once, and found again. */
export async function liveMedia(): Promise<Readonly<Record<MediumKind, string>>> {
  const { artifacts } = await buildWithCli({
    output: TEST_IMAGES,
    args: ['--base', 'debian-13', '--target', 'usb,iso'],
  });
  const [usb, iso] = (['usb', 'iso'] as const).map((kind) => artifacts.find(({ target }) => target === kind));
  if (usb === undefined || iso === undefined) throw new Error('a medium was not built');
  const raw = path.join(TEST_IMAGES, `usb-${usb.sha256.slice(0, 16)}.raw`);
  if (!(await files.exists(raw))) {
    for (const name of await files.listFolder(TEST_IMAGES)) {
      if (/^usb-.*\.raw/.test(name)) await files.remove(path.join(TEST_IMAGES, name));
    }
    const half = `${raw}.${process.pid}`;
    await run(['zstd', '--decompress', '--quiet', '--force', '--sparse', usb.image, '-o', half]);
    await files.moveIntoPlace(half, raw);
  }
  return { usb: raw, iso: iso.image };
}

/** A stick of its own, with these files on its CIDATA partition, as somebody would put them there by hand. */
export async function makeStick(raw: string, folder: string, seed: SeedTexts): Promise<DiskSpec> {
  const file = path.join(folder, 'stick.raw');
  await run(['cp', '--sparse=always', '--reflink=auto', raw, file]);
  const handle = await files.openFile(file, 'r');
  const start = Buffer.alloc(START);
  await handle.read(start, 0, START, 0).finally(() => handle.close());
  const partition = readTable(start, 512)?.find(({ name }) => name === 'seed');
  if (partition === undefined) throw new Error(`${raw} has no partition for the seed`);
  const volume = `${file}@@${partition.offset}`;
  for (const [name, text] of Object.entries(seed)) {
    const source = path.join(folder, 'seed-file');
    await files.writeAtomic(source, text);
    await run(['mcopy', '-o', '-i', volume, source, `::/${name}`], { env: MTOOLS });
  }
  return { file, format: 'raw', bus: 'usb', readonly: false, serial: 'STICK', bootIndex: 0 };
}

/** The disc in its drive. Its seed is on a second drive: see {@link seedVolume}. */
export function disc(iso: string): DiskSpec {
  return { file: iso, format: 'raw', bus: 'cdrom', readonly: true, bootIndex: 0 };
}

/** A FAT volume labelled CIDATA with these files. */
export async function seedVolume(folder: string, seed: SeedTexts): Promise<string> {
  const file = path.join(folder, 'seed.img');
  await run(['mkfs.vfat', '-C', '-n', 'CIDATA', file, '4096']);
  await run(['mmd', '-i', file, '::/clusteros'], { env: MTOOLS });
  for (const [name, text] of Object.entries(seed)) {
    const source = path.join(folder, 'seed-file');
    await files.writeAtomic(source, text);
    await run(['mcopy', '-i', file, source, `::/${name}`], { env: MTOOLS });
  }
  return file;
}
