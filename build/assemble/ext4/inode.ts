/**
 * Inodes, extent trees and in-inode attributes.
 *
 * Source: Linux, Documentation/filesystems/ext4 ("Index Nodes", "The Contents of inode.i_block", "Extended
 * Attributes"); fs/ext4/xattr.c for the order of entries and values.
 */
import type { TreeNode } from '../tree/node.ts';
import type { Extent } from './allocate.ts';
import { crc32c, crc32cOfNumber } from './crc32c.ts';
import { BLOCK_SIZE, INODE_SIZE } from './geometry.ts';
import { MOST_LINKS } from './limits.ts';

const TYPE_BITS = {
  fifo: 0x1000,
  character: 0x2000,
  folder: 0x4000,
  block: 0x6000,
  file: 0x8000,
  symlink: 0xa000,
} as const;

const EXTENTS_FLAG = 0x80000;
const EXTRA_SIZE = 32;
const EXTENT_MAGIC = 0xf30a;
/** Extents that fit into the inode itself, and into one leaf block with its checksum. */
const IN_INODE = 4;
const IN_LEAF = Math.floor((BLOCK_SIZE - 12 - 4) / 12);

export interface InodeContent {
  readonly node: TreeNode;
  readonly links: number;
  /** Bytes, for a folder the length of its blocks. */
  readonly size: number;
  readonly extents: readonly Extent[];
  /** Block for the extents when the inode cannot hold them; see {@link needsLeaf}. */
  readonly leaf?: number;
}

/** Whether a file needs one more block for its list of extents. */
export function needsLeaf(extents: readonly Extent[]): boolean {
  if (extents.length > IN_LEAF) throw new Error('a file in too many pieces for one block of extents');
  return extents.length > IN_INODE;
}

/**
 * The 256 bytes of an inode, with its checksum.
 *
 * @param seed CRC-32C of the file system's UUID
 */
export function encodeInode(seed: number, number: number, content: InodeContent): Buffer {
  const { node, size, extents } = content;
  const inode = Buffer.alloc(INODE_SIZE);
  const blocks = extents.reduce((sum, extent) => sum + extent.length, content.leaf === undefined ? 0 : 1);
  inode.writeUInt16LE(TYPE_BITS[node.kind] | node.mode, 0x00);
  inode.writeUInt16LE(node.uid & 0xffff, 0x02);
  inode.writeUInt32LE(size % 2 ** 32, 0x04);
  // Access, change, modification: all the modification time, so that a build's own clock never shows.
  for (const at of [0x08, 0x0c, 0x10, 0x90]) inode.writeUInt32LE(node.mtime >>> 0, at);
  for (const at of [0x84, 0x88, 0x8c, 0x94]) inode.writeUInt32LE(secondsHigh(node.mtime), at);
  inode.writeUInt16LE(node.gid & 0xffff, 0x18);
  inode.writeUInt16LE(content.links > MOST_LINKS ? 1 : content.links, 0x1a);
  inode.writeUInt32LE(blocks * (BLOCK_SIZE / 512), 0x1c);
  writeBlockField(inode, content);
  inode.writeUInt32LE(Math.floor(size / 2 ** 32), 0x6c);
  inode.writeUInt16LE(node.uid >>> 16, 0x78);
  inode.writeUInt16LE(node.gid >>> 16, 0x7a);
  inode.writeUInt16LE(EXTRA_SIZE, 0x80);
  writeAttributes(inode, node.xattrs);
  const checksum = crc32c(crc32cOfNumber(crc32cOfNumber(seed, number), 0), inode);
  inode.writeUInt16LE(checksum & 0xffff, 0x7c);
  inode.writeUInt16LE(checksum >>> 16, 0x82);
  return inode;
}

/** The two bits of a time above its signed 32: years after 2038. */
function secondsHigh(seconds: number): number {
  return Math.floor((seconds + 2 ** 31) / 2 ** 32) & 3;
}

/** The leaf block of {@link needsLeaf}, with its checksum. */
export function encodeLeaf(seed: number, number: number, extents: readonly Extent[]): Buffer {
  const leaf = Buffer.alloc(BLOCK_SIZE);
  writeExtentHeader(leaf, 0, extents.length, IN_LEAF, 0);
  extents.forEach((extent, index) => {
    writeExtent(leaf, 12 + index * 12, extent);
  });
  const end = 12 + IN_LEAF * 12;
  leaf.writeUInt32LE(crc32c(crc32cOfNumber(crc32cOfNumber(seed, number), 0), leaf.subarray(0, end)), end);
  return leaf;
}

/** Whether a symbolic link's target lives in the inode. */
export function isFastSymlink(node: TreeNode): boolean {
  return node.kind === 'symlink' && Buffer.byteLength(node.target ?? '') < 60;
}

function writeBlockField(inode: Buffer, { node, extents, leaf }: InodeContent): void {
  const at = 0x28;
  if (isFastSymlink(node)) {
    inode.write(node.target ?? '', at, 'utf8');
    return;
  }
  if (node.kind === 'character' || node.kind === 'block') {
    const { major = 0, minor = 0 } = node;
    // The new encoding of a device number, in the second word, as the kernel writes it for large numbers.
    inode.writeUInt32LE(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, at + 4);
    return;
  }
  if (node.kind === 'fifo') return;
  inode.writeUInt32LE(EXTENTS_FLAG, 0x20);
  if (leaf === undefined) {
    writeExtentHeader(inode, at, extents.length, IN_INODE, 0);
    extents.forEach((extent, index) => {
      writeExtent(inode, at + 12 + index * 12, extent);
    });
    return;
  }
  writeExtentHeader(inode, at, 1, IN_INODE, 1);
  inode.writeUInt32LE(0, at + 12);
  inode.writeUInt32LE(leaf % 2 ** 32, at + 16);
  inode.writeUInt16LE(Math.floor(leaf / 2 ** 32), at + 20);
}

function writeExtentHeader(into: Buffer, at: number, entries: number, room: number, depth: number): void {
  into.writeUInt16LE(EXTENT_MAGIC, at);
  into.writeUInt16LE(entries, at + 2);
  into.writeUInt16LE(room, at + 4);
  into.writeUInt16LE(depth, at + 6);
}

function writeExtent(into: Buffer, at: number, extent: Extent): void {
  into.writeUInt32LE(extent.logical, at);
  into.writeUInt16LE(extent.length, at + 4);
  into.writeUInt16LE(Math.floor(extent.physical / 2 ** 32), at + 6);
  into.writeUInt32LE(extent.physical % 2 ** 32, at + 8);
}

const ATTRIBUTE_PREFIXES = [
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
] as const;

/** Attributes go between the inode's fields and its end; entries grow up, values down. */
function writeAttributes(inode: Buffer, attributes: ReadonlyMap<string, Uint8Array>): void {
  if (attributes.size === 0) return;
  const start = 128 + EXTRA_SIZE;
  inode.writeUInt32LE(0xea020000, start);
  const first = start + 4;
  const entries = [...attributes].map(([name, value]) => ({ ...splitName(name), value }));
  entries.sort((a, b) => a.prefix - b.prefix || a.rest.length - b.rest.length || (a.rest < b.rest ? -1 : 1));
  let entryAt = first;
  let valueAt = INODE_SIZE;
  for (const { prefix, rest, value } of entries) {
    valueAt -= Math.ceil(value.length / 4) * 4;
    const next = entryAt + 16 + Math.ceil(rest.length / 4) * 4;
    if (next + 4 > valueAt) throw new Error(`extended attributes too large for an inode: ${rest}`);
    inode.writeUInt8(rest.length, entryAt);
    inode.writeUInt8(prefix, entryAt + 1);
    inode.writeUInt16LE(valueAt - first, entryAt + 2);
    inode.writeUInt32LE(value.length, entryAt + 8);
    inode.write(rest, entryAt + 16, 'latin1');
    inode.set(value, valueAt);
    entryAt = next;
  }
}

function splitName(name: string): { prefix: number; rest: string } {
  for (const [text, prefix] of ATTRIBUTE_PREFIXES) {
    if (name.startsWith(text)) return { prefix, rest: name.slice(text.length) };
  }
  throw new Error(`ext4 has no place for the extended attribute ${name}`);
}
