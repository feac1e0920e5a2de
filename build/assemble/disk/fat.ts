/** FAT volumes, filled without mounting them: the same bytes for the same files. */
import * as path from 'node:path';
import { files, run } from '../../host.ts';
import { type DiskImage, inOrder, isZero, type Segment } from '../segments.ts';
import { parentsOf } from '../tree/parents.ts';
import { WindowReader } from '../window-reader.ts';

export interface FatFile {
  /** Path on the volume, such as `EFI/BOOT/BOOTX64.EFI`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface FatOptions {
  /** Bytes. */
  readonly size: number;
  readonly label: string;
  /** 8 hexadecimal digits. */
  readonly volume: string;
  /** Of the device, 512 bytes unless told. */
  readonly sector?: 512 | 4096;
  /** Sectors of a cluster; mkfs.vfat's choice unless told. Large files are read faster with large clusters. */
  readonly cluster?: number;
  /** Bits of a table's entry. */
  readonly kind: 16 | 32;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly workFolder: string;
  readonly signal?: AbortSignal | undefined;
}

/** What is read of the volume at a time. */
const WINDOW = 1024 * 1024;

/** @returns the volume, in memory but for what is zeros */
export async function makeFat(contents: readonly FatFile[], options: FatOptions): Promise<DiskImage> {
  const folder = await files.makeWorkFolder(options.workFolder, 'fat');
  const image = path.join(folder, 'raw');
  const env = { SOURCE_DATE_EPOCH: String(options.epoch), MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null' };
  const { signal, sector = 512 } = options;
  try {
    await run(
      [
        'mkfs.vfat',
        '-C',
        ...['-F', String(options.kind)],
        ...['-S', String(sector)],
        ...(options.cluster === undefined ? [] : ['-s', String(options.cluster)]),
        ...['-n', options.label],
        // Sets a volume id too, so ours comes behind it.
        '--invariant',
        ...['-i', options.volume],
        image,
        String(options.size / 1024),
      ],
      { env, signal },
    );
    const folders = new Set(contents.flatMap(({ path: file }) => parentsOf(file)));
    await run(['mmd', '-i', image, ...[...folders].map((name) => `::/${name}`)], { env, signal });
    for (const [place, group] of byFolder(contents)) {
      const sources: string[] = [];
      const from = await files.makeWorkFolder(folder, 'files');
      for (const { path: file, bytes } of group) {
        const source = path.join(from, path.posix.basename(file));
        await files.writeScratch(source, [bytes]);
        await files.setTime(source, options.epoch);
        sources.push(source);
      }
      await run(['mcopy', '-m', '-i', image, ...sources, `::/${place}`], { env, signal });
      await files.remove(from);
    }
    return await readSparse(image, options.size);
  } finally {
    await files.remove(folder);
  }
}

/** Neighbours that go to one folder, in their order: where they lie on the volume follows from it. */
function byFolder(contents: readonly FatFile[]): [folder: string, group: FatFile[]][] {
  const groups: [string, FatFile[]][] = [];
  for (const file of contents) {
    const folder = path.posix.dirname(`/${file.path}`).slice(1);
    const last = groups.at(-1);
    if (last?.[0] === folder) last[1].push(file);
    else groups.push([folder, [file]]);
  }
  return groups;
}

/** A file that is zeros for the most part: what is not. */
async function readSparse(file: string, size: number): Promise<DiskImage> {
  const segments: Segment[] = [];
  const handle = await files.openFile(file, 'r');
  try {
    const reader = new WindowReader(handle);
    const window = Buffer.alloc(WINDOW);
    for (let offset = 0; offset < size; offset += WINDOW) {
      const bytes = window.subarray(0, Math.min(WINDOW, size - offset));
      await reader.copy(offset, bytes.length, bytes, 0);
      if (!isZero(bytes)) segments.push({ offset, length: bytes.length, source: Buffer.from(bytes) });
    }
  } catch (cause) {
    throw files.storageError('file.unreadable', `cannot read ${file}`, cause);
  } finally {
    await handle.close();
  }
  return inOrder(size, segments);
}
