import type { files } from '../host.ts';

/** All of the bytes: a single write may take fewer. */
export async function writeAt(file: files.FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
