/**
 * Superblock, group descriptors, bitmaps and the journal's first block.
 *
 * Source: Linux, Documentation/filesystems/ext4 ("Super Block", "Block Group Descriptors", "Block and Inode
 * Bitmaps", "Journal (jbd2)"); fs/jbd2 for the byte order (big endian).
 */
import { crc32c, crc32cOfNumber } from './crc32c.ts';
import {
  BLOCK_SIZE,
  BLOCKS_PER_GROUP,
  DESCRIPTOR_SIZE,
  FIRST_INODE,
  type Geometry,
  groupLayout,
  INODE_SIZE,
  INODES_PER_GROUP,
  JOURNAL_INODE,
} from './geometry.ts';

const COMPATIBLE = { has_journal: 0x4, ext_attr: 0x8, dir_index: 0x20 };
// csum_seed: what checksums begin with stands in the superblock, so that the UUID can change and they stay.
const INCOMPATIBLE = { filetype: 0x2, extents: 0x40, '64bit': 0x80, flex_bg: 0x200, csum_seed: 0x2000 };
const READ_ONLY_COMPATIBLE = {
  sparse_super: 0x1,
  large_file: 0x2,
  huge_file: 0x8,
  dir_nlink: 0x20,
  extra_isize: 0x40,
  metadata_csum: 0x400,
};

export interface Usage {
  readonly geometry: Geometry;
  /** Every block before this one is in use. */
  readonly nextBlock: number;
  /** The highest inode in use; all below it are. */
  readonly lastInode: number;
  /** Folders by group of their inode. */
  readonly folders: readonly number[];
}

export interface Identity {
  /** 16 bytes. */
  readonly uuid: Buffer;
  readonly label: string;
  /** Seconds since 1970. */
  readonly epoch: number;
}

/** CRC-32C of the UUID: the start of all other checksums. */
export function checksumSeed(uuid: Uint8Array): number {
  return crc32c(0xffffffff, uuid);
}

export interface Group {
  readonly blockBitmap: Buffer;
  readonly inodeBitmap: Buffer;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly usedInodes: number;
}

export function makeGroup(usage: Usage, group: number): Group {
  const layout = groupLayout(usage.geometry, group);
  const used =
    Math.max(layout.firstData, Math.min(usage.nextBlock, layout.first + layout.blocks)) - layout.first;
  const usedInodes = Math.max(0, Math.min(INODES_PER_GROUP, usage.lastInode - group * INODES_PER_GROUP));
  const blockBitmap = Buffer.alloc(BLOCK_SIZE);
  setBits(blockBitmap, 0, used);
  // Blocks behind the end of the last group do not exist and count as used.
  setBits(blockBitmap, layout.blocks, BLOCKS_PER_GROUP);
  const inodeBitmap = Buffer.alloc(BLOCK_SIZE);
  setBits(inodeBitmap, 0, usedInodes);
  setBits(inodeBitmap, INODES_PER_GROUP, 8 * BLOCK_SIZE);
  return {
    blockBitmap,
    inodeBitmap,
    freeBlocks: layout.blocks - used,
    freeInodes: INODES_PER_GROUP - usedInodes,
    usedInodes,
  };
}

/** The table of group descriptors, padded to whole blocks. */
export function encodeDescriptors(seed: number, usage: Usage, groups: readonly Group[]): Buffer {
  const { geometry } = usage;
  const table = Buffer.alloc(geometry.descriptorBlocks * BLOCK_SIZE);
  groups.forEach((group, index) => {
    const layout = groupLayout(geometry, index);
    const entry = table.subarray(index * DESCRIPTOR_SIZE, (index + 1) * DESCRIPTOR_SIZE);
    const split = (low: number, high: number, bytes: 2 | 4, value: number) => {
      if (bytes === 4) entry.writeUInt32LE(value % 2 ** 32, low);
      else entry.writeUInt16LE(value & 0xffff, low);
      if (bytes === 4) entry.writeUInt32LE(Math.floor(value / 2 ** 32), high);
      else entry.writeUInt16LE((value >>> 16) & 0xffff, high);
    };
    split(0x00, 0x20, 4, layout.blockBitmap);
    split(0x04, 0x24, 4, layout.inodeBitmap);
    split(0x08, 0x28, 4, layout.inodeTable);
    split(0x0c, 0x2c, 2, group.freeBlocks);
    split(0x0e, 0x2e, 2, group.freeInodes);
    split(0x10, 0x30, 2, usage.folders[index] ?? 0);
    // The inode tables are zero already: the kernel need not clear them after the first boot.
    entry.writeUInt16LE(0x4, 0x12);
    split(0x18, 0x38, 2, crc32c(seed, group.blockBitmap));
    split(0x1a, 0x3a, 2, crc32c(seed, group.inodeBitmap.subarray(0, INODES_PER_GROUP / 8)));
    split(0x1c, 0x32, 2, group.freeInodes);
    entry.writeUInt16LE(crc32c(crc32cOfNumber(seed, index), entry) & 0xffff, 0x1e);
  });
  return table;
}

/** The 1024 bytes of the superblock, as group `group` keeps it. */
export function encodeSuperblock(
  identity: Identity,
  usage: Usage,
  groups: readonly Group[],
  journal: { readonly blockField: Buffer; readonly size: number },
  group: number,
): Buffer {
  const { geometry } = usage;
  const sb = Buffer.alloc(1024);
  const sum = (pick: (one: Group) => number) => groups.reduce((total, one) => total + pick(one), 0);
  const flags = (features: Record<string, number>) => Object.values(features).reduce((a, b) => a | b, 0);
  const word = (at: number, value: number) => sb.writeUInt32LE(value >>> 0, at);
  const half = (at: number, value: number) => sb.writeUInt16LE(value, at);
  word(0x00, INODES_PER_GROUP * geometry.groupCount);
  word(0x04, geometry.blockCount);
  word(0x08, Math.floor(geometry.blockCount / 100));
  word(
    0x0c,
    sum((one) => one.freeBlocks),
  );
  word(
    0x10,
    sum((one) => one.freeInodes),
  );
  word(0x18, Math.log2(BLOCK_SIZE) - 10);
  word(0x1c, Math.log2(BLOCK_SIZE) - 10);
  word(0x20, BLOCKS_PER_GROUP);
  word(0x24, BLOCKS_PER_GROUP);
  word(0x28, INODES_PER_GROUP);
  word(0x30, identity.epoch);
  half(0x36, 0xffff);
  half(0x38, 0xef53);
  half(0x3a, 1);
  half(0x3c, 1);
  word(0x40, identity.epoch);
  word(0x4c, 1);
  word(0x54, FIRST_INODE);
  half(0x58, INODE_SIZE);
  half(0x5a, group);
  word(0x5c, flags(COMPATIBLE));
  word(0x60, flags(INCOMPATIBLE));
  word(0x64, flags(READ_ONLY_COMPATIBLE));
  identity.uuid.copy(sb, 0x68);
  sb.write(identity.label, 0x78, 16, 'utf8');
  word(0xe0, JOURNAL_INODE);
  // The hash seed need not be secret here, only fixed: directories are linear until they grow.
  identity.uuid.copy(sb, 0xec);
  sb.writeUInt8(1, 0xfc);
  sb.writeUInt8(1, 0xfd);
  half(0xfe, DESCRIPTOR_SIZE);
  word(0x100, 0xc);
  word(0x108, identity.epoch);
  journal.blockField.copy(sb, 0x10c);
  word(0x148, Math.floor(journal.size / 2 ** 32));
  word(0x14c, journal.size % 2 ** 32);
  half(0x15c, 32);
  half(0x15e, 32);
  word(0x160, 1);
  sb.writeUInt8(4, 0x174);
  sb.writeUInt8(1, 0x175);
  word(0x270, checksumSeed(identity.uuid));
  word(0x3fc, crc32c(0xffffffff, sb.subarray(0, 0x3fc)));
  return sb;
}

/** The first block of an empty journal, jbd2 version 2. */
export function encodeJournalHead(uuid: Buffer, blocks: number): Buffer {
  const head = Buffer.alloc(1024);
  [0xc03b3998, 4, 0, BLOCK_SIZE, blocks, 1, 1, 0].forEach((value, index) => {
    head.writeUInt32BE(value, index * 4);
  });
  uuid.copy(head, 0x30);
  head.writeUInt32BE(1, 0x40);
  return head;
}

function setBits(bitmap: Buffer, from: number, to: number): void {
  for (let bit = from; bit < to; bit++) {
    if (bit % 8 === 0 && bit + 8 <= to) {
      bitmap.fill(0xff, bit / 8, Math.floor(to / 8));
      bit = Math.floor(to / 8) * 8 - 1;
      continue;
    }
    const at = Math.floor(bit / 8);
    bitmap[at] = (bitmap[at] ?? 0) | (1 << (bit % 8));
  }
}
