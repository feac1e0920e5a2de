/**
 * The squashfs of a live medium: the system that is installed, as the bytes of its root file system, and the few
 * files that the live system has over it. The live system runs from the same bytes, mounted read-only, so nothing is
 * there twice; and what was verified when it was written to a disk is what the build made.
 */
import * as path from 'node:path';
import type { BlockMap } from '../../../agent/installer/block-map.ts';
import { LIVE_FILES } from '../../../image-layers/live.ts';
import { OperatorError } from '../../errors.ts';
import { files, run } from '../../host.ts';
import { FileSystemFull } from '../ext4/allocate.ts';
import { buildExt4 } from '../ext4/build.ts';
import type { DiskImage } from '../segments.ts';
import type { AssembleOptions } from '../targets.ts';
import { mapImage } from './image-map.ts';
import { installSource, ROOT_FILE } from './install-source.ts';
import { ext4Tables } from './tables.ts';

const MIB = 1024 * 1024;
/** One group of ext4: a file system grows by whole ones. */
const GROUP = 128 * MIB;
/** From here on ext4 gets a journal of 64 MiB; a disk has more than that anyway. */
const SMALLEST = 2048 * MIB;
/** What is free until the file system has grown to the disk, on its first start. */
const FREE = 256 * MIB;
/** What mksquashfs adds to what it compresses: nothing to speak of. Its speed on one processor is the build's. */
export const SQUASHFS_OPTIONS = ['-comp', 'zstd', '-Xcompression-level', '3', '-b', '256K'] as const;

export const LIVE_PROGRAMS = ['mksquashfs', 'mkfs.vfat', 'mmd', 'mcopy'] as const;

/** Both media of one build carry the same squashfs: it is made once. @returns its path in the work folder */
export async function liveSquashfs(options: AssembleOptions): Promise<string> {
  const { ids, workFolder } = options;
  const file = path.join(workFolder, `live-${ids.disk}.squashfs`);
  if (await files.exists(file)) return file;
  const tree = path.join(workFolder, `live-${ids.disk}`);
  try {
    await layOut(tree, options);
    const half = `${file}.part`;
    await pack(tree, half, options);
    await files.moveIntoPlace(half, file);
    return file;
  } finally {
    await files.remove(tree);
  }
}

async function layOut(tree: string, options: AssembleOptions): Promise<void> {
  const install = path.join(tree, 'install');
  await makeFolders(tree, ['install', 'live']);
  const root = rootImage(options);
  const map = await writeRoot(path.join(install, ROOT_FILE), root, options);
  for (const { name, bytes } of (await installSource(options, map)).files) {
    await files.writeScratch(path.join(install, name), [bytes]);
  }
  for (const { path: name, mode, text } of LIVE_FILES) {
    const parts = name.split('/').slice(1, -1);
    await makeFolders(
      tree,
      parts.map((_, depth) => path.join('live', ...parts.slice(0, depth + 1))),
    );
    const file = path.join(tree, 'live', name);
    await files.writeScratch(file, [Buffer.from(text)]);
    await files.setMode(file, mode);
  }
}

/** Whatever our umask: they become folders of the system. */
async function makeFolders(tree: string, folders: readonly string[]): Promise<void> {
  for (const folder of ['', ...folders]) {
    await files.makeFolder(path.join(tree, folder));
    await files.setMode(path.join(tree, folder), 0o755);
  }
}

/** The root file system: as small as it may be, as it grows with its disk. */
export function rootImage({ root, ids, epoch }: Pick<AssembleOptions, 'root' | 'ids' | 'epoch'>): DiskImage {
  const uuid = Buffer.from(ids.rootFileSystem.replaceAll('-', ''), 'hex');
  const nodes = new Set(root.tree.values());
  const data = [...nodes].reduce((sum, { size }) => sum + Math.ceil(size / 4096) * 4096, 0);
  let size = Math.max(SMALLEST, Math.ceil((data * 1.03 + FREE) / GROUP) * GROUP);
  for (; ; size += GROUP) {
    try {
      return buildExt4(root.tree, { size, uuid, label: 'root', epoch });
    } catch (error) {
      // Many small files; but no disk is as large as this.
      if (!(error instanceof FileSystemFull) || size > 4 * data + SMALLEST) throw error;
    }
  }
}

async function writeRoot(
  file: string,
  image: DiskImage,
  { signal, onProgress }: AssembleOptions,
): Promise<BlockMap> {
  const handle = await files.openFile(file, 'w');
  try {
    await handle.truncate(image.size);
    return await mapImage(image, ext4Tables(image), async ({ offset, bytes }) => {
      signal.throwIfAborted();
      await handle.write(bytes, 0, bytes.length, offset);
      onProgress?.(offset, 2 * image.size);
    });
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).errno === undefined
      ? cause
      : files.storageError('file.unwritable', `cannot write ${file}`, cause);
  } finally {
    await handle.close();
  }
}

async function pack(
  tree: string,
  file: string,
  { epoch, signal, onProgress }: AssembleOptions,
): Promise<void> {
  const time = String(epoch);
  const fixed = ['-all-root', '-no-xattrs', '-mkfs-time', time, '-all-time', time];
  onProgress?.(1, 2);
  await run(
    ['mksquashfs', tree, file, '-noappend', '-no-progress', '-quiet', ...SQUASHFS_OPTIONS, ...fixed],
    {
      signal,
    },
  );
  const { size } = (await files.statOrUndefined(file)) ?? { size: 0 };
  if (size === 0) {
    throw new OperatorError({ code: 'command.failed', exit: 'command', message: 'mksquashfs made nothing' });
  }
}
