import * as fs from 'node:fs/promises';
import * as path from 'node:path';

/** Parts of files of one folder, each file opened once. Every call gives bytes of its own. */
export function openReader(folder: string) {
  const handles = new Map<string, Promise<fs.FileHandle>>();
  return {
    /** Fewer bytes than asked for when the file ends. */
    async read(name: string, offset: number, length: number): Promise<Buffer> {
      const opening = handles.get(name) ?? fs.open(path.join(folder, name), 'r');
      handles.set(name, opening);
      const handle = await opening;
      const bytes = Buffer.allocUnsafe(length);
      let done = 0;
      for (let count = -1; count !== 0 && done < length; done += count) {
        count = (await handle.read(bytes, done, length - done, offset + done)).bytesRead;
      }
      return bytes.subarray(0, done);
    },
    async close(): Promise<void> {
      for (const opening of handles.values()) await opening.then((handle) => handle.close());
    },
  };
}
