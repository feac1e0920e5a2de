import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { storageError } from './storage-error.ts';

/**
 * Give a folder another name on the same file system, lasting over a power cut. What bears the name already is
 * not replaced.
 *
 * @throws AgentError `file.unwritable`
 */
export async function moveDurable(from: string, to: string): Promise<void> {
  try {
    await fs.rename(from, to);
    const parent = await fs.open(path.dirname(to), 'r');
    await parent.sync().finally(() => parent.close());
  } catch (cause) {
    throw storageError('file.unwritable', `cannot move ${from} to ${to}`, cause);
  }
}

/** A folder with all that is in it, or nothing when there is none. Links are removed, not followed. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await fs.rm(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch (cause) {
    throw storageError('file.unwritable', `cannot remove ${folder}`, cause);
  }
}

/** Files and folders with their modes; the copy must not exist. Half a copy is removed again. */
export async function copyTree(from: string, to: string): Promise<void> {
  try {
    await fs.cp(from, to, { recursive: true, errorOnExist: true, force: false, preserveTimestamps: true });
  } catch (cause) {
    await fs.rm(to, { recursive: true, force: true });
    throw storageError('file.unwritable', `cannot copy ${from} to ${to}`, cause);
  }
}
