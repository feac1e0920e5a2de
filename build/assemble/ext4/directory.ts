/**
 * Linear directories with checksums.
 *
 * Source: Linux, Documentation/filesystems/ext4 ("Directory Entries": struct ext4_dir_entry_2 and _tail).
 */
import type { NodeKind } from '../tree/node.ts';
import { crc32c, crc32cOfNumber } from './crc32c.ts';
import { BLOCK_SIZE } from './geometry.ts';

const FILE_TYPES: Readonly<Record<NodeKind, number>> = {
  file: 1,
  folder: 2,
  character: 3,
  block: 4,
  fifo: 5,
  symlink: 7,
};
const TAIL = 12;

export interface DirectoryEntry {
  readonly name: string;
  readonly inode: number;
  readonly kind: NodeKind;
}

/** Split entries over blocks. How many blocks there are decides where they go, before inodes are known. */
export function packDirectory<E extends { readonly name: string }>(entries: readonly E[]): E[][] {
  const blocks: E[][] = [];
  let room = 0;
  for (const entry of entries) {
    const length = entryLength(entry.name);
    if (length > room || blocks.length === 0) {
      blocks.push([]);
      room = BLOCK_SIZE - TAIL;
    }
    blocks.at(-1)?.push(entry);
    room -= length;
  }
  return blocks;
}

/** @param number the directory's own inode, a part of the checksum */
export function encodeDirectory(seed: number, number: number, blocks: readonly DirectoryEntry[][]): Buffer {
  const bytes = Buffer.alloc(blocks.length * BLOCK_SIZE);
  blocks.forEach((entries, index) => {
    const block = bytes.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
    let at = 0;
    entries.forEach((entry, position) => {
      const last = position === entries.length - 1;
      const length = last ? BLOCK_SIZE - TAIL - at : entryLength(entry.name);
      block.writeUInt32LE(entry.inode, at);
      block.writeUInt16LE(length, at + 4);
      block.writeUInt8(Buffer.byteLength(entry.name), at + 6);
      block.writeUInt8(FILE_TYPES[entry.kind], at + 7);
      block.write(entry.name, at + 8, 'utf8');
      at += length;
    });
    const tail = BLOCK_SIZE - TAIL;
    block.writeUInt16LE(TAIL, tail + 4);
    block.writeUInt8(0xde, tail + 7);
    const checksum = crc32c(crc32cOfNumber(crc32cOfNumber(seed, number), 0), block.subarray(0, tail));
    block.writeUInt32LE(checksum, tail + 8);
  });
  return bytes;
}

function entryLength(name: string): number {
  return Math.ceil((8 + Buffer.byteLength(name)) / 4) * 4;
}
