import * as fs from 'node:fs/promises';
import * as path from 'node:path';

/**
 * Remove a file, or a folder with all it holds, and have that last over a power cut. Links are removed, not
 * followed; what is not there is fine.
 */
export async function removeTree(target: string): Promise<void> {
  await fs.rm(target, { recursive: true, force: true, maxRetries: 3 });
  const folder = await fs.open(path.dirname(target), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
