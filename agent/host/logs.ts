import * as fs from 'node:fs/promises';

/** As much of a log's end as can hold the lines that anybody asks for. */
const END_BYTES = 8 * 1024;

/** The last lines of a log, without empty ones; none when there is no such file. */
export async function lastLines(file: string, count: number): Promise<string[]> {
  const text = await end(file, END_BYTES);
  return (
    text
      ?.split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-count) ?? []
  );
}

/** When the log is longer than that, keep its newer half only. */
export async function keepTail(file: string, bytes: number): Promise<void> {
  const size = (await fs.stat(file).catch(() => undefined))?.size ?? 0;
  if (size <= bytes) return;
  const kept = await end(file, Math.floor(bytes / 2));
  if (kept !== undefined) await fs.writeFile(file, kept, { mode: 0o600 });
}

async function end(file: string, bytes: number): Promise<string | undefined> {
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(file, 'r');
  } catch {
    return undefined;
  }
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - bytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = buffer.subarray(0, bytesRead).toString('utf8');
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await handle.close();
  }
}
