/**
 * The tree of a live medium's squashfs, as the tar file that mksquashfs reads from a pipe: in a folder the file system
 * would be a file full of holes, whose writing and reading takes longer than its compression. Here its holes are no
 * bytes at all: the entry is a sparse one.
 *
 * Source: GNU tar's manual, "PAX Format, Version 1.0" of sparse files.
 */
import { LIVE_FILES } from '../../../image-layers/live.ts';
import { bothOrNeither } from '../../both-or-neither.ts';
import type { Write } from '../../host.ts';
import { smallestRootFileSystem } from '../root-file-system.ts';
import type { AssembleOptions } from '../targets.ts';
import { parentsOf } from '../tree/parents.ts';
import { paxBlocks, paxRecord } from '../tree/pax.ts';
import { tarHeader } from '../tree/tar-header.ts';
import { cellsOf, mapImage, type Stretch } from './image-map.ts';
import { espVolumes, installSource, ROOT_FILE } from './install-source.ts';
import { ext4Tables } from './tables.ts';

const BLOCK = 512;
const ZEROS = Buffer.alloc(2 * BLOCK);

/** Everything in a fixed order. */
export async function writeLiveTar(write: Write, options: AssembleOptions): Promise<void> {
  const { epoch, signal, onProgress } = options;
  const mtime = new Date(epoch * 1000);
  const folder = async (name: string) =>
    write(await tarHeader({ name: `${name}/`, type: 'directory', mode: 0o755, mtime }));
  const whole = async (name: string, mode: number, bytes: Uint8Array) => {
    await write(await tarHeader({ name, mode, mtime, size: bytes.length }));
    await write(bytes);
    await write(ZEROS.subarray(0, -bytes.length & (BLOCK - 1)));
  };

  await folder('install');
  const root = smallestRootFileSystem(options);
  const tables = ext4Tables(root);
  const filled = cellsOf(root.size, tables);
  const { records, places } = sparse(`install/${ROOT_FILE}`, root.size, filled);
  const size = places.length + filled.reduce((sum, { from, to }) => sum + to - from, 0);
  await write(paxBlocks(records));
  await write(await tarHeader({ name: ROOT_FILE, mode: 0o644, mtime, size }));
  await write(places);
  const [map, volumes] = await bothOrNeither(
    signal,
    (both) =>
      mapImage(root, tables, async ({ offset, bytes }) => {
        both.throwIfAborted();
        await write(bytes);
        onProgress?.(offset, root.size);
      }),
    (both) => espVolumes({ ...options, signal: both }),
  );
  for (const { name, bytes } of (await installSource(options, volumes, map)).files) {
    await whole(`install/${name}`, 0o644, bytes);
  }

  await folder('live');
  const folders = new Set(LIVE_FILES.flatMap(({ path: name }) => parentsOf(`live${name}`)));
  folders.delete('live');
  for (const name of [...folders].sort()) await folder(name);
  for (const { path: name, mode, text } of LIVE_FILES) await whole(`live${name}`, mode, Buffer.from(text));
  await write(ZEROS);
}

/**
 * What says of an entry that it is sparse. Its bytes are `places` first, then the stretches, one behind the other.
 *
 * @param size of the file, its holes included
 */
function sparse(name: string, size: number, stretches: readonly Stretch[]) {
  const records = Buffer.concat([
    paxRecord('GNU.sparse.major', '1'),
    paxRecord('GNU.sparse.minor', '0'),
    paxRecord('GNU.sparse.name', name),
    paxRecord('GNU.sparse.realsize', String(size)),
  ]);
  // A hole at the end ends with a stretch of nothing.
  const all = [...stretches, ...(stretches.at(-1)?.to === size ? [] : [{ from: size, to: size }])];
  const numbers = [all.length, ...all.flatMap(({ from, to }) => [from, to - from])];
  const text = Buffer.from(`${numbers.join('\n')}\n`);
  return { records, places: Buffer.concat([text, Buffer.alloc(-text.length & (BLOCK - 1))]) };
}
