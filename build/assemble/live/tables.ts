/** Parts of file systems that are read although they hold only zeros: they must be written to a used disk. */

import { BLOCK_SIZE, geometryOf, groupLayout } from '../ext4/geometry.ts';
import type { DiskImage } from '../segments.ts';
import type { Stretch } from './image-map.ts';

/** A journal or a folder that holds nothing yet is at most this long; free groups are longer. */
const LONGEST_GAP = 64 * 1024 * 1024;

/**
 * Of an ext4: all that is in use, the empty journal among it, and the tables of the groups that are free. Their
 * inodes are not initialized by the kernel, as the descriptors say that they are zeros.
 */
export function ext4Tables({ size, segments }: DiskImage): Stretch[] {
  const geometry = geometryOf(size);
  const used: Stretch[] = segments.map(({ offset, length }) => ({ from: offset, to: offset + length }));
  for (let group = 0; group < geometry.groupCount; group++) {
    const { first, firstData } = groupLayout(geometry, group);
    used.push({ from: first * BLOCK_SIZE, to: firstData * BLOCK_SIZE });
  }
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of used.sort((one, other) => one.from - other.from)) {
    const last = joined.at(-1);
    if (last !== undefined && from - last.to <= LONGEST_GAP) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/**
 * Of a FAT: reserved sectors, both tables and the root folder.
 *
 * Source: Microsoft, FAT32 File System Specification 1.03, "Boot Sector and BPB".
 */
export function fatTables({ segments }: Pick<DiskImage, 'segments'>): Stretch {
  const [first] = segments;
  if (first?.offset !== 0 || !(first.source instanceof Uint8Array))
    throw new Error('a FAT has no boot sector');
  const volume = Buffer.from(first.source.buffer, first.source.byteOffset, first.length);
  const sector = volume.readUInt16LE(11);
  const cluster = volume.readUInt8(13) * sector;
  const tableSectors = volume.readUInt16LE(22) || volume.readUInt32LE(36);
  const rootEntries = volume.readUInt16LE(17);
  const tables = (volume.readUInt16LE(14) + volume.readUInt8(16) * tableSectors) * sector;
  return { from: 0, to: tables + (rootEntries === 0 ? cluster : rootEntries * 32) };
}
