/**
 * The tree of a live medium's squashfs, as the tar file that mksquashfs reads from a pipe: in a folder the file system
 * would be a file full of holes, whose writing and reading takes longer than its compression. Here its holes are no
 * bytes at all: the entry is a sparse one.
 *
 * Source: GNU tar's manual, "PAX Format, Version 1.0" of sparse files.
 */
import * as path from 'node:path';
import { type BlockMap, mappedBytes } from '../../../agent/installer/block-map.ts';
import { LIVE_FILES } from '../../../image-layers/live.ts';
import { bothOrNeither } from '../../both-or-neither.ts';
import type { Write } from '../../host.ts';
import { smallestRootFileSystem } from '../root-file-system.ts';
import type { DiskImage } from '../segments.ts';
import type { AssembleOptions } from '../targets.ts';
import { parentsOf } from '../tree/parents.ts';
import { paxBlocks, paxRecord } from '../tree/pax.ts';
import { tarHeader } from '../tree/tar-header.ts';
import { cellsOf, mapImage, type Stretch } from './image-map.ts';
import { espVolumes, installSource, ROOT_FILE } from './install-source.ts';
import { ext4Tables } from './tables.ts';

const BLOCK = 512;
const ZEROS = Buffer.alloc(2 * BLOCK);

interface Sparse {
  readonly image: DiskImage;
  readonly zeros: readonly Stretch[];
  readonly filled: readonly Stretch[];
  readonly signal: AbortSignal;
  readonly onOffset?: (offset: number) => void;
}

/** Everything in a fixed order. */
export async function writeLiveTar(write: Write, options: AssembleOptions): Promise<void> {
  const { epoch, onProgress } = options;
  const mtime = new Date(epoch * 1000);
  const folder = async (name: string) =>
    write(await tarHeader({ name: `${name}/`, type: 'directory', mode: 0o755, mtime }));
  const whole = async (name: string, mode: number, bytes: Uint8Array) => {
    await write(await tarHeader({ name, mode, mtime, size: bytes.length }));
    await write(bytes);
    await write(ZEROS.subarray(0, -bytes.length & (BLOCK - 1)));
  };

  /** @param filled what is mapped of it @returns its block map */
  const sparse = async (name: string, { image, zeros, filled, signal, onOffset }: Sparse) => {
    const { records, places } = sparseEntry(name, image.size, filled);
    const bytes = filled.reduce((sum, { from, to }) => sum + to - from, 0);
    await write(paxBlocks(records));
    await write(
      await tarHeader({ name: path.basename(name), mode: 0o644, mtime, size: places.length + bytes }),
    );
    await write(places);
    const map = await mapImage(image, zeros, async (piece) => {
      signal.throwIfAborted();
      await write(piece.bytes);
      onOffset?.(piece.offset);
    });
    if (mappedBytes(map) !== bytes) throw new Error(`${name} has ${mappedBytes(map)} bytes, not ${bytes}`);
    return map;
  };

  await folder('install');
  const image = smallestRootFileSystem(options);
  const zeros = ext4Tables(image);
  const filled = cellsOf(image.size, zeros);
  const onOffset = (offset: number) => onProgress?.(offset, image.size);
  const [rootMap, volumes] = await bothOrNeither(
    options.signal,
    (signal) => sparse(`install/${ROOT_FILE}`, { image, zeros, filled, signal, onOffset }),
    (signal) => espVolumes({ ...options, signal }),
  );
  for (const { name, content } of await installSource(options, volumes, rootMap)) {
    const file = `install/${name}`;
    if (content instanceof Uint8Array) await whole(file, 0o644, content);
    else await sparse(file, { ...content, filled: stretchesOf(content.map), signal: options.signal });
  }

  await folder('live');
  const folders = new Set(LIVE_FILES.flatMap(({ path: name }) => parentsOf(`live${name}`)));
  folders.delete('live');
  for (const name of [...folders].sort()) await folder(name);
  for (const { path: name, mode, text } of LIVE_FILES) await whole(`live${name}`, mode, Buffer.from(text));
  await write(ZEROS);
}

function stretchesOf({ ranges }: BlockMap): Stretch[] {
  return ranges.map(({ offset, length }) => ({ from: offset, to: offset + length }));
}

/**
 * What says of an entry that it is sparse. Its bytes are `places` first, then the stretches, one behind the other.
 *
 * @param size of the file, its holes included
 */
function sparseEntry(name: string, size: number, stretches: readonly Stretch[]) {
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
