import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { files } from '../host.ts';

/**
 * One SHA-256 over the sources of a stage: what a stage makes depends on its code, so its cache key does too.
 * Tests and their helpers do not count.
 *
 * @param folder walked to its bottom, in the order of names
 */
export async function sourceDigest(...folders: readonly string[]): Promise<string> {
  const digest = createHash('sha256');
  for (const folder of folders)
    await addFolder(folder, '', (name, bytes) => digest.update(`${name}\0`).update(bytes));
  return digest.digest('hex');
}

async function addFolder(
  root: string,
  below: string,
  add: (name: string, bytes: Buffer) => void,
): Promise<void> {
  for (const name of await files.listFolder(path.join(root, below))) {
    const relative = path.join(below, name);
    if (/^(testing|goldens)$|\.test\.ts$/.test(name)) continue;
    if ((await files.statOrUndefined(path.join(root, relative)))?.isDirectory())
      await addFolder(root, relative, add);
    else add(relative, await files.readBytes(path.join(root, relative)));
  }
}
