import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { storageError } from './storage-error.ts';
import { throughTemporary } from './temporary.ts';

/**
 * Write a file (0600) piece by piece; it appears whole and lasting when the pieces end, or not at all when they
 * throw: temporary file, fsync, rename, fsync of the folder. A killed writer's leftover is found by
 * `files.removeLeftovers`.
 *
 * @returns its size in bytes
 * @throws AgentError `file.unwritable`, `disk.full`; whatever the pieces throw
 */
export async function writeStreamDurable(file: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  return throughTemporary(file, async (temporary) => {
    let size = 0;
    const handle = await onDisk(file, () => fs.open(temporary, 'wx', 0o600));
    try {
      for await (const piece of pieces) {
        await onDisk(file, () => handle.writeFile(piece));
        size += piece.length;
      }
      await onDisk(file, () => handle.sync());
    } finally {
      await handle.close();
    }
    await onDisk(file, async () => {
      await fs.rename(temporary, file);
      const folder = await fs.open(path.dirname(file), 'r');
      await folder.sync().finally(() => folder.close());
    });
    return size;
  });
}

/** A copy (0600) that appears whole and lasting, or not at all. @throws AgentError `file.unreadable`, and as {@link writeStreamDurable} */
export async function copyDurable(from: string, to: string): Promise<number> {
  return writeStreamDurable(to, piecesOf(from));
}

async function* piecesOf(file: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const piece of createReadStream(file)) yield piece as Uint8Array;
  } catch (cause) {
    throw storageError('file.unreadable', `cannot read ${file}`, cause);
  }
}

async function onDisk<T>(file: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw storageError('file.unwritable', `cannot write ${file}`, cause);
  }
}
