/**
 * Where things are in the file system. Every group keeps its own bitmaps and inode table, after the copy of the
 * superblock and of the group descriptors where the group has one.
 *
 * Source: Linux, Documentation/filesystems/ext4 ("Block Groups", "Super Block", "Group Descriptors").
 */

export const BLOCK_SIZE = 4096;
export const BLOCKS_PER_GROUP = 8 * BLOCK_SIZE;
/** One inode for 16 KiB of disk, as mke2fs does by default. */
export const INODES_PER_GROUP = 8192;
export const INODE_SIZE = 256;
export const DESCRIPTOR_SIZE = 64;
export const FIRST_INODE = 11;
export const ROOT_INODE = 2;
export const JOURNAL_INODE = 8;
export const LOST_AND_FOUND_INODE = 11;

export interface Geometry {
  readonly blockCount: number;
  readonly groupCount: number;
  /** Blocks that the group descriptors take. */
  readonly descriptorBlocks: number;
}

interface GroupLayout {
  readonly first: number;
  readonly blocks: number;
  /** Superblock and group descriptors are repeated in this group. */
  readonly hasSuperblock: boolean;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  /** First block behind the group's metadata. */
  readonly firstData: number;
}

const INODE_TABLE_BLOCKS = (INODES_PER_GROUP * INODE_SIZE) / BLOCK_SIZE;

/** @param size bytes; a tail too short for a group's metadata and some data is left unused */
export function geometryOf(size: number): Geometry {
  const blocks = Math.floor(size / BLOCK_SIZE);
  const tail = blocks % BLOCKS_PER_GROUP;
  const whole = geometryOfBlocks(blocks - tail);
  const metadata = 1 + whole.descriptorBlocks + 1 + 2 + INODE_TABLE_BLOCKS;
  const geometry = tail < metadata + 64 ? whole : geometryOfBlocks(blocks);
  if (geometry.groupCount === 0) throw new Error('an ext4 file system needs at least one group');
  return geometry;
}

function geometryOfBlocks(blockCount: number): Geometry {
  const groupCount = Math.ceil(blockCount / BLOCKS_PER_GROUP);
  return { blockCount, groupCount, descriptorBlocks: Math.ceil((groupCount * DESCRIPTOR_SIZE) / BLOCK_SIZE) };
}

export function groupLayout(geometry: Geometry, group: number): GroupLayout {
  const first = group * BLOCKS_PER_GROUP;
  const hasSuperblock = isSparseSuperGroup(group);
  const blockBitmap = first + (hasSuperblock ? 1 + geometry.descriptorBlocks : 0);
  return {
    first,
    blocks: Math.min(BLOCKS_PER_GROUP, geometry.blockCount - first),
    hasSuperblock,
    blockBitmap,
    inodeBitmap: blockBitmap + 1,
    inodeTable: blockBitmap + 2,
    firstData: blockBitmap + 2 + INODE_TABLE_BLOCKS,
  };
}

/** The feature sparse_super: copies only in groups 0, 1 and the powers of 3, 5 and 7. */
function isSparseSuperGroup(group: number): boolean {
  return group <= 1 || [3, 5, 7].some((base) => isPowerOf(group, base));
}

function isPowerOf(value: number, base: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}
