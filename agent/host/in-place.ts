import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { storageError } from './storage-error.ts';

/**
 * Write over a file of lines without replacing it: it may be mounted on its own, as /etc/hosts in a container is,
 * and nothing can be renamed over a mount. Made with mode 0644 when missing.
 *
 * The text is padded with line breaks to the old length before the file is cut, so that whoever reads it between,
 * or finds it after a power cut, sees no remnant of old lines.
 *
 * @throws AgentError `file.unwritable`, `disk.full`
 */
export async function overwriteLines(file: string, text: Buffer): Promise<void> {
  try {
    const handle = await fs.open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
    try {
      const { size } = await handle.stat();
      const padding = Buffer.alloc(Math.max(0, size - text.length), '\n');
      const whole = Buffer.concat([text, padding]);
      let written = 0;
      while (written < whole.length) {
        written += (await handle.write(whole, written, whole.length - written, written)).bytesWritten;
      }
      await handle.truncate(text.length);
      if (size === 0) await handle.chmod(0o644);
      await handle.datasync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw storageError('file.unwritable', `cannot write ${file}`, cause);
  }
}
