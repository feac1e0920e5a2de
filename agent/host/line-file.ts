import * as fs from 'node:fs/promises';

/**
 * Add whole lines at the end of a file and have them last over a power cut. When it has reached the limit, it
 * first takes the place of `older`, and a new file begins. A torn last line, left by a power cut or a full
 * disk, is ended, so that what follows stands on a line of its own.
 *
 * @param text ends with a line feed
 * @throws the system's error, `ENOSPC` among them
 */
export async function append(file: string, older: string, text: string, limit: number): Promise<void> {
  let handle = await fs.open(file, 'a+', 0o600);
  try {
    let { size } = await handle.stat();
    if (size >= limit) {
      await handle.close();
      await fs.rename(file, older);
      handle = await fs.open(file, 'a+', 0o600);
      size = 0;
    }
    const whole = size === 0 || (await lastByte(handle, size)) === 0x0a;
    await handle.writeFile(whole ? text : `\n${text}`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function lastByte(handle: fs.FileHandle, size: number): Promise<number | undefined> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0];
}
