/**
 * The squashfs of a live medium: the system that is installed, as the bytes of its root file system, and the few
 * files that the live system has over it. The live system runs from the same bytes, mounted read-only, so nothing is
 * there twice; and what was verified when it was written to a disk is what the build made.
 */
import * as path from 'node:path';
import { OperatorError } from '../../errors.ts';
import { files, run } from '../../host.ts';
import type { AssembleOptions } from '../targets.ts';
import { writeLiveTar } from './live-tar.ts';

/** What mksquashfs adds to what it compresses: nothing to speak of. Its speed on one processor is the build's. */
export const SQUASHFS_OPTIONS = ['-comp', 'zstd', '-Xcompression-level', '3', '-b', '256K'] as const;
export const LIVE_PROGRAMS = ['mksquashfs', 'mkfs.vfat', 'mmd', 'mcopy'] as const;

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
  await run(['mksquashfs', '-', file, '-tar', ...quiet, ...SQUASHFS_OPTIONS, ...fixed], {
    feed: (write) => writeLiveTar(write, options),
    signal: options.signal,
  });
  const { size } = (await files.statOrUndefined(file)) ?? { size: 0 };
  if (size === 0) {
    throw new OperatorError({ code: 'command.failed', exit: 'command', message: 'mksquashfs made nothing' });
  }
}
