import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { OperatorError } from '../errors.ts';

/** The text of a file. @throws OperatorError `file.unreadable` with the reason of the system. */
export async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString('utf8');
}

export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await fs.readFile(file);
  } catch (cause) {
    throw storageError('file.unreadable', `cannot read ${file}`, cause);
  }
}

export async function exists(file: string): Promise<boolean> {
  return (await statOrUndefined(file)) !== undefined;
}

/** The status of a file, or undefined when there is none. Follows links. */
export async function statOrUndefined(file: string) {
  try {
    return await fs.stat(file);
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw storageError('file.unreadable', `cannot look at ${file}`, cause);
  }
}

/**
 * Write a file whole or not at all: a temporary file beside it, fsync, rename, fsync of the folder.
 *
 * @param mode permission bits, 0o644 unless told
 * @throws OperatorError `file.unwritable`, `disk.full`; nothing is left behind
 */
export async function writeAtomic(file: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await makeFolder(path.dirname(file));
    const handle = await fs.open(temporary, 'wx', mode);
    try {
      await handle.writeFile(data);
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
    await syncFolder(path.dirname(file));
  } catch (cause) {
    await fs.rm(temporary, { force: true });
    throw storageError('file.unwritable', `cannot write ${file}`, cause);
  }
}

/** Make what a rename did last over a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** How often a folder is made again whose parent another process removed in that moment. */
const TRIES = 10;

/** Make a folder and those above it. One mkdir(2) each: Node's recursive one never ends where the kernel says ENOENT. */
export async function makeFolder(folder: string, mode?: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await makeMissing(path.resolve(folder), mode);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && tries < TRIES) continue;
      throw storageError('file.unwritable', `cannot make the folder ${folder}`, cause);
    }
  }
}

async function makeMissing(folder: string, mode: number | undefined): Promise<void> {
  const missing: string[] = [];
  let at = folder;
  for (; !(await exists(at)); at = path.dirname(at)) missing.unshift(at);
  for (const each of missing) {
    await fs.mkdir(each, mode).catch(async (cause: unknown) => {
      // Another process may have been faster.
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST' || !(await exists(each))) throw cause;
    });
  }
  if (!(await fs.stat(folder)).isDirectory()) throw Object.assign(new Error(folder), { code: 'EEXIST' });
}

/** Move a finished file or folder to its place. Both must be on one file system. */
export async function moveIntoPlace(from: string, to: string): Promise<void> {
  try {
    await makeFolder(path.dirname(to));
    await fs.rename(from, to);
    await syncFolder(path.dirname(to));
  } catch (cause) {
    throw storageError('file.unwritable', `cannot move ${from} to ${to}`, cause);
  }
}

export async function remove(target: string): Promise<void> {
  await fs.rm(target, { recursive: true, force: true, maxRetries: 3 });
}

/** A fresh private folder for half-made things, inside `parent`. The caller removes it. */
export async function makeWorkFolder(parent: string, label: string): Promise<string> {
  await makeFolder(parent);
  try {
    return await fs.mkdtemp(path.join(parent, `${label}.`));
  } catch (cause) {
    throw storageError('file.unwritable', `cannot make a work folder in ${parent}`, cause);
  }
}

/** Bytes that an ordinary user may still write on the file system that holds `folder`. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await fs.statfs(folder);
  return Number(bavail) * Number(bsize);
}

export async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(folder)).sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw storageError('file.unreadable', `cannot list ${folder}`, cause);
  }
}

/** Open for reading or writing by position. @throws OperatorError */
export async function openFile(
  file: string,
  flags: 'r' | 'r+' | 'w' | 'wx',
  mode = 0o644,
): Promise<fs.FileHandle> {
  try {
    return await fs.open(file, flags, mode);
  } catch (cause) {
    throw storageError(flags === 'r' ? 'file.unreadable' : 'file.unwritable', `cannot open ${file}`, cause);
  }
}

export type FileHandle = fs.FileHandle;

/**
 * Make a file, or with `w` empty it, and fill it. What is written so far stays when it fails: for files of a folder
 * that is thrown away then.
 *
 * @throws OperatorError `file.unwritable`, `disk.full` for what the system says of the file; else what `fill` throws
 */
export async function withNewFile<T>(
  file: string,
  flags: 'w' | 'wx',
  fill: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await openFile(file, flags);
  try {
    return await fill(handle);
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).errno === undefined
      ? cause
      : storageError('file.unwritable', `cannot write ${file}`, cause);
  } finally {
    await handle.close();
  }
}

/** Turn an error of the system on a file into one for the operator. */
export function storageError(code: string, message: string, cause: unknown): OperatorError {
  if (cause instanceof OperatorError) return cause;
  const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const known = STORAGE_REASONS[errno];
  return new OperatorError({
    code: errno === 'ENOSPC' || errno === 'EDQUOT' ? 'disk.full' : code,
    exit: 'storage',
    message: `${message}: ${known?.reason ?? errno}`,
    fix: known?.fix,
    cause,
  });
}

const STORAGE_REASONS: Readonly<Record<string, { reason: string; fix?: string }>> = {
  ENOENT: { reason: 'no such file or folder' },
  EACCES: { reason: 'permission denied', fix: 'choose a folder that you may write to, or change its owner' },
  EPERM: { reason: 'operation not permitted' },
  EROFS: { reason: 'the file system is read-only', fix: 'choose another folder' },
  ENOTDIR: { reason: 'a part of the path is a file, not a folder', fix: 'choose another folder' },
  EEXIST: { reason: 'something else is there already', fix: 'choose another folder' },
  EISDIR: { reason: 'it is a folder' },
  ENOSPC: {
    reason: 'no space left on the disk',
    fix: 'free some space (clusteros-build cache prune) or choose another folder',
  },
  EDQUOT: {
    reason: 'the disk quota is used up',
    fix: 'free some space (clusteros-build cache prune) or choose another folder',
  },
  ELOOP: { reason: 'symbolic links lead in a circle', fix: 'remove the link, or name the file itself' },
  ENAMETOOLONG: { reason: 'the name is too long', fix: 'name the file, not what is in it' },
  EFBIG: {
    reason: 'the file system keeps no file as large (FAT: 4 GiB)',
    fix: 'choose a folder on another file system',
  },
  EIO: { reason: 'the device reports an error', fix: 'look at its state: sudo dmesg' },
  EBUSY: { reason: 'it is in use', fix: 'unmount it, or end what uses it' },
  ETXTBSY: { reason: 'it is a program that runs now', fix: 'end it first' },
  EMFILE: { reason: 'too many files are open', fix: 'raise the limit: ulimit -n 4096' },
  EXDEV: { reason: 'source and destination are on different file systems' },
};

/** Set access and modification time, seconds since 1970. */
export async function setTime(file: string, seconds: number): Promise<void> {
  await fs.utimes(file, seconds, seconds);
}

/** Remove a folder if nothing is in it; another process may be using it. */
export async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await fs.rmdir(folder);
  } catch (cause) {
    if (!['ENOTEMPTY', 'ENOENT'].includes((cause as NodeJS.ErrnoException).code ?? '')) {
      throw storageError('file.unwritable', `cannot remove ${folder}`, cause);
    }
  }
}

/** Copy a file whole or not at all. @throws OperatorError `file.unwritable`, `disk.full` */
export async function copyAtomic(from: string, to: string, mode: number): Promise<void> {
  const temporary = `${to}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await makeFolder(path.dirname(to));
    await fs.copyFile(from, temporary);
    await fs.chmod(temporary, mode);
    await fs.rename(temporary, to);
    await syncFolder(path.dirname(to));
  } catch (cause) {
    await fs.rm(temporary, { force: true });
    throw storageError('file.unwritable', `cannot write ${to}`, cause);
  }
}

/** Write pieces one after the other, without the care of {@link writeAtomic}: for files of a build's own folder. */
export async function writeScratch(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  try {
    const handle = await fs.open(file, 'w');
    try {
      for (const piece of pieces) await handle.writeFile(piece);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw storageError('file.unwritable', `cannot write ${file}`, cause);
  }
}

/** Set permission bits. */
export async function setMode(file: string, mode: number): Promise<void> {
  await fs.chmod(file, mode);
}

/** Copy a folder with all that is in it. */
export async function copyTree(from: string, to: string): Promise<void> {
  try {
    await fs.cp(from, to, { recursive: true });
  } catch (cause) {
    throw storageError('file.unwritable', `cannot copy ${from} to ${to}`, cause);
  }
}
