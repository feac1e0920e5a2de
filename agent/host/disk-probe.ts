import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';

/** As much as a small entry of etcd's log. */
const BYTES = Buffer.alloc(2_048);

/**
 * How long a small write takes until it lasts, as each entry of etcd's log does: fdatasync(2).
 *
 * @param file is made when missing and kept, so that only its content is written
 * @throws the system's error
 */
export async function syncMs(file: string): Promise<number> {
  const handle = await fs.open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const startMs = performance.now();
    await handle.write(BYTES, 0, BYTES.length, 0);
    await handle.datasync();
    return performance.now() - startMs;
  } finally {
    await handle.close();
  }
}
