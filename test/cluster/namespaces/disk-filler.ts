import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import * as path from 'node:path';

const NAME = '.filler';

/** Write until there is no space left, to the last block. @throws Error for a disk of more than 4 GiB */
export function fillFolder(folder: string): void {
  const file = openSync(path.join(folder, NAME), 'a', 0o600);
  try {
    let left = 4 * 2 ** 30;
    for (const size of [2 ** 20, 4096, 1]) {
      const block = Buffer.alloc(size);
      while (writes(file, block)) {
        left -= size;
        if (left <= 0) throw new Error(`${folder} is not of limited size`);
      }
    }
  } finally {
    closeSync(file);
  }
}

export function freeFolder(folder: string): void {
  rmSync(path.join(folder, NAME), { force: true });
}

function writes(file: number, block: Buffer): boolean {
  try {
    writeSync(file, block);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
