import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { AgentError } from '../errors.ts';
import { storageError } from './storage-error.ts';
import { isLeftover, throughTemporary } from './temporary.ts';

export { temporaryBeside } from './temporary.ts';

/** What is known of a file before and after it was read. */
export interface Found {
  readonly bytes: Buffer;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
}

/** What a folder holds, without following links. */
export interface Entry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'other';
  readonly size: number;
  /** Changes whenever the entry was written or replaced. */
  readonly mark: string;
}

/**
 * A regular file of at most `limit` bytes, or undefined when there is none. Links are not followed, and a pipe
 * in its place cannot make us wait.
 *
 * @throws AgentError `file.kind`, `file.too-large`, `file.unreadable`
 */
export async function readLimited(file: string, limit: number): Promise<Found | undefined> {
  return readOpened(file, limit, constants.O_NOFOLLOW);
}

/** The same where a link is expected: cloud-init's run folder has links to its files. */
export async function readLinked(file: string, limit: number): Promise<Found | undefined> {
  return readOpened(file, limit, 0);
}

async function readOpened(file: string, limit: number, noFollow: number): Promise<Found | undefined> {
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(file, constants.O_RDONLY | constants.O_NONBLOCK | noFollow);
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP' || code === 'ENXIO') throw notRegular(file, cause);
    throw storageError('file.unreadable', `cannot read ${file}`, cause);
  }
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw notRegular(file);
    const buffer = Buffer.alloc(Math.min(status.size, limit) + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = (await handle.read(buffer, length, buffer.length - length, length)).bytesRead;
    }
    if (length > limit || status.size > limit) {
      throw new AgentError({
        code: 'file.too-large',
        exit: 'refused',
        message: `${file} is larger than ${limit} bytes`,
      });
    }
    return { bytes: buffer.subarray(0, length), mode: status.mode & 0o7777, uid: status.uid };
  } catch (cause) {
    throw storageError('file.unreadable', `cannot read ${file}`, cause);
  } finally {
    await handle.close();
  }
}

/** What the folder holds, sorted by name; undefined when there is no such folder. */
export async function list(folder: string): Promise<Entry[] | undefined> {
  try {
    const names = (await fs.readdir(folder)).sort();
    return (await Promise.all(names.map((name) => look(path.join(folder, name))))).filter(
      (entry) => entry !== undefined,
    );
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(cause))) return undefined;
    throw storageError('file.unreadable', `cannot list ${folder}`, cause);
  }
}

/** One file or folder without following links, or undefined when there is none. */
export async function look(file: string): Promise<Entry | undefined> {
  try {
    const status = await fs.lstat(file);
    return {
      name: path.basename(file),
      kind: status.isFile() ? 'file' : status.isDirectory() ? 'folder' : 'other',
      size: status.size,
      mark: [status.dev, status.ino, status.size, status.mtimeMs, status.ctimeMs].join(':'),
    };
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(cause))) return undefined;
    throw storageError('file.unreadable', `cannot look at ${file}`, cause);
  }
}

/**
 * Write a file whole or not at all, so that it lasts over a power cut: temporary file, fsync, rename, fsync of
 * the folder.
 *
 * @throws AgentError `file.unwritable`, `disk.full`; nothing is left behind
 */
export async function writeDurable(file: string, data: string | Uint8Array, mode: number): Promise<void> {
  await write(file, data, mode, true, (temporary) => fs.rename(temporary, file));
}

/** Like {@link writeDurable} for what a reboot may lose (/run): as atomic, without the two fsyncs. */
export async function writeVolatile(file: string, data: string, mode: number): Promise<void> {
  await write(file, data, mode, false, (temporary) => fs.rename(temporary, file));
}

/**
 * Like {@link writeDurable}, but an existing file wins: of two processes that create at once, one succeeds.
 * A hard link is what makes it so, since a rename would replace.
 *
 * @returns false when the file was there already
 */
export async function createDurable(file: string, data: string | Uint8Array, mode: number): Promise<boolean> {
  let created = true;
  await write(file, data, mode, true, async (temporary) => {
    try {
      await fs.link(temporary, file);
    } catch (cause) {
      if (errnoOf(cause) !== 'EEXIST') throw cause;
      created = false;
    }
    await fs.unlink(temporary);
  });
  return created;
}

/** Remove the temporary files that a killed process or a power cut left behind. */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const removed: string[] = [];
  for (const { name } of (await list(folder)) ?? []) {
    const file = path.join(folder, name);
    if (!isLeftover(file)) continue;
    await fs.rm(file, { force: true });
    removed.push(name);
  }
  return removed;
}

/** @param mode also set on a folder that exists */
export async function makeFolder(folder: string, mode: number): Promise<void> {
  try {
    await fs.mkdir(folder, { recursive: true, mode });
    await fs.chmod(folder, mode);
  } catch (cause) {
    throw storageError('file.unwritable', `cannot make the folder ${folder}`, cause);
  }
}

/**
 * A folder, made when there is none. One that is there keeps its owner and mode: an image makes those that a program
 * of another user reads.
 */
export async function needFolder(folder: string, mode: number): Promise<void> {
  try {
    await fs.mkdir(folder, { recursive: true, mode });
  } catch (cause) {
    throw storageError('file.unwritable', `cannot make the folder ${folder}`, cause);
  }
}

export async function remove(file: string): Promise<void> {
  await fs.rm(file, { force: true });
}

export async function setMode(file: string, mode: number): Promise<void> {
  await fs.chmod(file, mode);
}

/** Set the times of a file, made when missing and never replaced: watchers of its inode must see it. */
export async function touch(file: string): Promise<void> {
  const handle = await fs.open(file, 'a', 0o600);
  try {
    const now = new Date();
    await handle.utimes(now, now);
  } finally {
    await handle.close();
  }
}

async function write(
  file: string,
  data: string | Uint8Array,
  mode: number,
  durable: boolean,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  try {
    await throughTemporary(file, async (temporary) => {
      const handle = await fs.open(temporary, 'wx', mode & 0o600);
      try {
        await handle.writeFile(data);
        await handle.chmod(mode);
        if (durable) await handle.sync();
      } finally {
        await handle.close();
      }
      await place(temporary);
      if (durable) await syncFolder(path.dirname(file));
    });
  } catch (cause) {
    throw storageError('file.unwritable', `cannot write ${file}`, cause);
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function errnoOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? String(cause);
}

function notRegular(file: string, cause?: unknown): AgentError {
  return new AgentError({
    code: 'file.kind',
    exit: 'refused',
    message: `${file} is not a regular file`,
    cause,
  });
}
