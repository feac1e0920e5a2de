import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { z } from 'zod';
import { files } from '../host.ts';

/** The file of an entry that is written last: an entry without it never was complete. */
export const RECORD_NAME = 'entry.json';
const EDGE = 64 * 1024;
const CHUNK = 4 * 1024 * 1024;

const recordSchema = z.strictObject({
  format: z.literal(1),
  created: z.iso.datetime(),
  files: z.array(
    z.strictObject({
      path: z.string().min(1),
      bytes: z.int().min(0),
      sha256: z.string().length(64),
      /** Digest of the first and last 64 KiB: what a quick check reads. */
      edges: z.string().length(64),
    }),
  ),
});

type EntryRecord = z.infer<typeof recordSchema>;

/** Read every file below a folder, bring it to the disk, and write the record beside them. */
export async function seal(folder: string, created: Date): Promise<void> {
  const record: EntryRecord = { format: 1, created: created.toISOString(), files: [] };
  for (const name of await regularFiles(folder)) record.files.push(await describe(folder, name));
  await files.writeAtomic(path.join(folder, RECORD_NAME), `${JSON.stringify(record, undefined, 1)}\n`);
}

/** The record of an entry; undefined when there is none, or none that can be read. */
export async function readRecord(folder: string): Promise<EntryRecord | undefined> {
  try {
    return recordSchema.parse(JSON.parse(await files.readText(path.join(folder, RECORD_NAME))));
  } catch {
    return undefined;
  }
}

/**
 * What is wrong with an entry, or undefined. Quick: sizes, and the edges of each file, whatever its times say.
 */
export async function faultOf(folder: string, record: EntryRecord): Promise<string | undefined> {
  for (const { path: name, bytes, edges } of record.files) {
    const file = path.join(folder, name);
    const status = await files.statOrUndefined(file);
    if (!status?.isFile()) return `${name} is missing`;
    if (status.size !== bytes) return `${name} has ${status.size} bytes instead of ${bytes}`;
    if ((await edgesOf(file, bytes)) !== edges) return `${name} has another content`;
  }
  return undefined;
}

async function regularFiles(folder: string, inside = ''): Promise<string[]> {
  const found: string[] = [];
  for (const name of await files.listFolder(path.join(folder, inside))) {
    const relative = path.join(inside, name);
    const status = await files.statOrUndefined(path.join(folder, relative));
    if (status?.isDirectory()) found.push(...(await regularFiles(folder, relative)));
    else if (status?.isFile()) found.push(relative);
    else throw new Error(`a cache entry holds only files and folders, and ${relative} is neither`);
  }
  return found;
}

async function describe(folder: string, name: string): Promise<EntryRecord['files'][number]> {
  const file = path.join(folder, name);
  const handle = await files.openFile(file, 'r');
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(CHUNK);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK, bytes);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    await handle.sync();
    return { path: name, bytes, sha256: hash.digest('hex'), edges: await edgesOf(file, bytes) };
  } finally {
    await handle.close();
  }
}

async function edgesOf(file: string, bytes: number): Promise<string> {
  const handle = await files.openFile(file, 'r');
  try {
    const hash = createHash('sha256');
    for (const start of [0, Math.max(0, bytes - EDGE)]) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(EDGE), 0, EDGE, start);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}
