/**
 * The squashfs of a live medium: the system that is installed, as the bytes of its root file system, and the few
 * files that the live system has over it. The live system runs from the same bytes, mounted read-only, so nothing is
 * there twice; and what was verified when it was written to a disk is what the build made.
 *
 * mksquashfs reads it as a tar file from a pipe: in a folder the file system would be a file full of holes, whose
 * writing and reading takes longer than its compression.
 */
import { once } from 'node:events';
import * as path from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import type { BlockMap } from '../../../agent/installer/block-map.ts';
import { LIVE_FILES } from '../../../image-layers/live.ts';
import { OperatorError } from '../../errors.ts';
import { files, run } from '../../host.ts';
import { smallestRootFileSystem } from '../root-file-system.ts';
import type { AssembleOptions } from '../targets.ts';
import { parentsOf } from '../tree/parents.ts';
import { tarHeader } from '../tree/tar-header.ts';
import { mapImage } from './image-map.ts';
import { installSource, ROOT_FILE } from './install-source.ts';
import { ext4Tables } from './tables.ts';

/** What mksquashfs adds to what it compresses: nothing to speak of. Its speed on one processor is the build's. */
export const SQUASHFS_OPTIONS = ['-comp', 'zstd', '-Xcompression-level', '3', '-b', '256K'] as const;

export const LIVE_PROGRAMS = ['mksquashfs', 'mkfs.vfat', 'mmd', 'mcopy'] as const;

const BLOCK = 512;
const ZEROS = Buffer.alloc(4 * 1024 * 1024);

/** Both media of one build carry the same squashfs: it is made once. @returns its path in the work folder */
export async function liveSquashfs(options: AssembleOptions): Promise<string> {
  const { ids, workFolder } = options;
  const file = path.join(workFolder, `live-${ids.disk}.squashfs`);
  if (await files.exists(file)) return file;
  const half = `${file}.part`;
  await pack(half, options);
  await files.moveIntoPlace(half, file);
  return file;
}

async function pack(file: string, options: AssembleOptions): Promise<void> {
  const time = String(options.epoch);
  const fixed = ['-all-root', '-root-mode', '0755', '-no-xattrs', '-mkfs-time', time, '-all-time', time];
  const quiet = ['-noappend', '-no-progress', '-quiet', '-exports'];
  const tar = new PassThrough({ highWaterMark: ZEROS.length });
  let fault: { readonly error: unknown } | undefined;
  const fed = feed(tar, options).catch((error: unknown) => {
    // When mksquashfs has ended, what it said is the reason.
    if (!tar.destroyed) fault = { error };
    tar.destroy();
  });
  try {
    await run(['mksquashfs', '-', file, '-tar', ...quiet, ...SQUASHFS_OPTIONS, ...fixed], {
      input: tar,
      signal: options.signal,
    });
  } catch (error) {
    tar.destroy();
    await fed;
    throw fault === undefined ? error : fault.error;
  }
  await fed;
  if (fault !== undefined) throw fault.error;
  const { size } = (await files.statOrUndefined(file)) ?? { size: 0 };
  if (size === 0) {
    throw new OperatorError({ code: 'command.failed', exit: 'command', message: 'mksquashfs made nothing' });
  }
}

/** The squashfs's tree, in a fixed order. */
async function feed(tar: Writable, options: AssembleOptions): Promise<void> {
  const { epoch, signal, onProgress } = options;
  const put = writerTo(tar);
  const mtime = new Date(epoch * 1000);
  const folder = async (name: string) =>
    put(await tarHeader({ name: `${name}/`, type: 'directory', mode: 0o755, mtime }));
  const whole = async (name: string, mode: number, bytes: Uint8Array) => {
    await put(await tarHeader({ name, mode, mtime, size: bytes.length }));
    await put(bytes);
    await put(ZEROS.subarray(0, -bytes.length & (BLOCK - 1)));
  };

  await folder('install');
  const root = smallestRootFileSystem(options);
  await put(await tarHeader({ name: `install/${ROOT_FILE}`, mode: 0o644, mtime, size: root.size }));
  let at = 0;
  const zerosTo = async (end: number) => {
    for (; at < end; at += Math.min(ZEROS.length, end - at)) await put(ZEROS.subarray(0, end - at));
  };
  const map: BlockMap = await mapImage(root, ext4Tables(root), async ({ offset, bytes }) => {
    signal.throwIfAborted();
    await zerosTo(offset);
    await put(bytes);
    at += bytes.length;
    onProgress?.(offset, root.size);
  });
  await zerosTo(root.size);
  for (const { name, bytes } of (await installSource(options, map)).files) {
    await whole(`install/${name}`, 0o644, bytes);
  }
  await folder('live');
  const folders = new Set(LIVE_FILES.flatMap(({ path: name }) => parentsOf(`live${name}`)));
  folders.delete('live');
  for (const name of [...folders].sort()) await folder(name);
  for (const { path: name, mode, text } of LIVE_FILES) await whole(`live${name}`, mode, Buffer.from(text));
  await put(ZEROS.subarray(0, 2 * BLOCK));
  tar.end();
}

/** @returns resolves when there is room for more; rejects when nobody reads any more */
function writerTo(stream: Writable): (bytes: Uint8Array) => Promise<void> {
  const closed = once(stream, 'close').then(() => {
    throw new Error('the reader has gone');
  });
  closed.catch(() => {});
  return async (bytes) => {
    if (stream.destroyed) return closed;
    if (!stream.write(bytes)) await Promise.race([once(stream, 'drain'), closed]);
  };
}
