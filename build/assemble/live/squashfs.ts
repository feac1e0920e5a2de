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
import { smallestRootFileSystem } from '../root-file-system.ts';
import type { DiskImage } from '../segments.ts';
import type { AssembleOptions } from '../targets.ts';
import { parentsOf } from '../tree/parents.ts';
import { mapImage } from './image-map.ts';
import { installSource, ROOT_FILE } from './install-source.ts';
import { ext4Tables } from './tables.ts';

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
  const root = smallestRootFileSystem(options);
  const map = await writeRoot(path.join(install, ROOT_FILE), root, options);
  const source = await installSource(options, map);
  for (const { name, bytes } of source.files) await files.writeScratch(path.join(install, name), [bytes]);
  for (const { name } of [{ name: ROOT_FILE }, ...source.files]) {
    await files.setMode(path.join(install, name), 0o644);
  }
  for (const { path: name, mode, text } of LIVE_FILES) {
    const inTree = `live${name}`;
    await makeFolders(tree, parentsOf(inTree));
    const file = path.join(tree, inTree);
    await files.writeScratch(file, [Buffer.from(text)]);
    await files.setMode(file, mode);
  }
}

/** Whatever our umask, as with the files: they become folders of the system. */
async function makeFolders(tree: string, folders: readonly string[]): Promise<void> {
  for (const folder of ['', ...folders]) {
    await files.makeFolder(path.join(tree, folder));
    await files.setMode(path.join(tree, folder), 0o755);
  }
}

async function writeRoot(
  file: string,
  image: DiskImage,
  { signal, onProgress }: AssembleOptions,
): Promise<BlockMap> {
  return files.withNewFile(file, 'w', async (handle) => {
    await handle.truncate(image.size);
    return await mapImage(image, ext4Tables(image), async ({ offset, bytes }) => {
      signal.throwIfAborted();
      await handle.write(bytes, 0, bytes.length, offset);
      onProgress?.(offset, 2 * image.size);
    });
  });
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
