/**
 * Builds an ext4 file system from a tree, without a mount, a loop device or root, and without a clock: the same
 * tree gives the same bytes on every machine. `mke2fs -d` does not (1.47.0 copies the build's access and change
 * times and follows the order of readdir), and would need the tree on disk with its owners and devices.
 *
 * The result mounts, grows online (meta_bg, Linux 3.7) and passes `e2fsck -f` without a remark.
 */
import { type DiskImage, inOrder, type Segment } from '../segments.ts';
import type { Tree, TreeNode } from '../tree/node.ts';
import { BlockAllocator, type Extent, FileSystemFull } from './allocate.ts';
import { type DirectoryEntry, encodeDirectory, packDirectory } from './directory.ts';
import {
  BLOCK_SIZE,
  type Geometry,
  geometryOf,
  groupLayout,
  INODE_SIZE,
  INODES_PER_GROUP,
  JOURNAL_INODE,
  LOST_AND_FOUND_INODE,
  ROOT_INODE,
} from './geometry.ts';
import { encodeInode, encodeLeaf, type InodeContent, isFastSymlink, needsLeaf } from './inode.ts';
import { checkLimits, MOST_LINKS } from './limits.ts';
import {
  checksumSeed,
  encodeDescriptors,
  encodeJournalHead,
  encodeSuperblock,
  type Identity,
  makeGroup,
  type Usage,
} from './metadata.ts';

interface Ext4Options extends Identity {
  /** Size of the file system in bytes. */
  readonly size: number;
}

/** Blocks of the journal: 64 MiB, as mke2fs gives a file system of a few GiB; less on a small one. */
function journalBlocks(geometry: Geometry): number {
  return geometry.blockCount >= 512 * 1024 ? 16384 : 4096;
}

interface Item {
  readonly inode: number;
  readonly node: TreeNode;
  links: number;
  /** Entries of a folder, `.` and `..` included. */
  readonly entries?: { name: string; item: Item }[];
}

/**
 * @throws FileSystemFull when the tree does not fit
 * @throws Error when ext4 cannot hold something of the tree: a name or a link too long, too many attributes
 */
export function buildExt4(tree: Tree, options: Ext4Options): DiskImage {
  const geometry = geometryOf(options.size);
  const seed = checksumSeed(options.uuid);
  const items = numberItems(tree, options.epoch);
  const allocator = new BlockAllocator(geometry);
  const segments: Segment[] = [];
  const inodes = new Map<number, Buffer>();

  const place = (item: Item, size: number, blocks: number): Extent[] => {
    const extents = allocator.take(blocks);
    const leaf = needsLeaf(extents) ? allocator.take(1)[0]?.physical : undefined;
    const content: InodeContent = {
      node: item.node,
      links: item.links,
      size,
      extents,
      ...(leaf ? { leaf } : {}),
    };
    inodes.set(item.inode, encodeInode(seed, item.inode, content));
    if (leaf !== undefined) segments.push(inBlock(leaf, encodeLeaf(seed, item.inode, extents)));
    return extents;
  };

  const journal = placeJournal(geometry, options, place, segments);
  // Folders and links first, file data in the order of the tree behind them: a file that changes at the end of
  // the tree moves nothing else.
  for (const item of items) placeSmall(seed, item, place, segments);
  for (const item of items) {
    if (item.node.kind !== 'file') continue;
    const extents = place(item, item.node.size, Math.ceil(item.node.size / BLOCK_SIZE));
    segments.push(...dataSegments(item.node, extents));
  }

  const lastInode = Math.max(LOST_AND_FOUND_INODE, ...items.map((item) => item.inode));
  if (lastInode > geometry.groupCount * INODES_PER_GROUP)
    throw new FileSystemFull('the file system has too few inodes');
  const usage: Usage = {
    geometry,
    nextBlock: allocator.next,
    lastInode,
    folders: countFolders(geometry, items),
  };
  return inOrder(options.size, [...segments, ...encodeAll(options, seed, usage, inodes, journal)]);
}

/** Inode numbers by the order of the tree; hard links share one. */
function numberItems(tree: Tree, epoch: number): Item[] {
  const folder = (mode: number): TreeNode => ({
    kind: 'folder',
    mode,
    uid: 0,
    gid: 0,
    mtime: epoch,
    xattrs: new Map(),
    size: 0,
  });
  const root: Item = { inode: ROOT_INODE, node: tree.get('') ?? folder(0o755), links: 2, entries: [] };
  const byPath = new Map<string, Item>([['', root]]);
  const byNode = new Map<TreeNode, Item>();
  let next = LOST_AND_FOUND_INODE;
  checkLimits('', root.node);
  const add = (path: string, node: TreeNode) => {
    checkLimits(path, node);
    const known = byNode.get(node);
    const isFolder = node.kind === 'folder';
    if (isFolder && known !== undefined) throw new Error(`${path} is a hard link to a folder`);
    const item = known ?? {
      inode: next++,
      node,
      links: isFolder ? 2 : 0,
      ...(isFolder ? { entries: [] } : {}),
    };
    byNode.set(node, item);
    byPath.set(path, item);
    if (!isFolder) item.links++;
    if (!isFolder && item.links > MOST_LINKS)
      throw new Error(`${path} has more than ${MOST_LINKS} hard links`);
  };
  add('lost+found', folder(0o700));
  for (const [path, node] of tree) if (path !== '' && path !== 'lost+found') add(path, node);
  for (const [path, item] of byPath) {
    const parent = path === '' ? root : byPath.get(parentOf(path));
    if (parent?.entries === undefined) throw new Error(`${path} has no parent folder in the tree`);
    if (item.entries !== undefined) item.entries.unshift({ name: '.', item }, { name: '..', item: parent });
    if (path === '') continue;
    parent.entries.push({ name: path.slice(path.lastIndexOf('/') + 1), item });
    if (item.entries !== undefined) parent.links++;
  }
  return [...new Set(byPath.values())];
}

type Place = (item: Item, size: number, blocks: number) => Extent[];

function placeJournal(geometry: Geometry, identity: Identity, place: Place, segments: Segment[]) {
  const blocks = journalBlocks(geometry);
  const node: TreeNode = {
    kind: 'file',
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtime: identity.epoch,
    xattrs: new Map(),
    size: blocks * BLOCK_SIZE,
  };
  const extents = place({ inode: JOURNAL_INODE, node, links: 1 }, node.size, blocks);
  segments.push(inBlock(extents[0]?.physical ?? 0, encodeJournalHead(identity.uuid, blocks)));
  return { size: node.size };
}

/** Folders, symbolic links, devices and pipes. */
function placeSmall(seed: number, item: Item, place: Place, segments: Segment[]): void {
  const { node, entries } = item;
  if (node.kind === 'file') return;
  if (entries !== undefined) {
    const sorted = [...entries.slice(0, 2), ...entries.slice(2).sort((a, b) => (a.name < b.name ? -1 : 1))];
    const blocks = packDirectory(sorted).map((block) =>
      block.map(({ name, item: of }): DirectoryEntry => ({ name, inode: of.inode, kind: of.node.kind })),
    );
    const extents = place(item, blocks.length * BLOCK_SIZE, blocks.length);
    segments.push(...pieces(encodeDirectory(seed, item.inode, blocks), extents));
    return;
  }
  const target = Buffer.from(node.target ?? '');
  const needsBlock = node.kind === 'symlink' && !isFastSymlink(node);
  segments.push(...pieces(target, place(item, target.length, needsBlock ? 1 : 0)));
}

function dataSegments(node: TreeNode, extents: readonly Extent[]): Segment[] {
  const { source, size } = node;
  if (source === undefined) return [];
  if (source instanceof Uint8Array) return pieces(source, extents);
  return extents.map((extent) => {
    const start = extent.logical * BLOCK_SIZE;
    return {
      offset: extent.physical * BLOCK_SIZE,
      length: Math.min(extent.length * BLOCK_SIZE, size - start),
      source: { handle: source.handle, position: source.position + start },
    };
  });
}

function pieces(bytes: Uint8Array, extents: readonly Extent[]): Segment[] {
  return extents.map((extent) => {
    const source = bytes.subarray(extent.logical * BLOCK_SIZE, (extent.logical + extent.length) * BLOCK_SIZE);
    return { offset: extent.physical * BLOCK_SIZE, length: source.length, source };
  });
}

function encodeAll(
  options: Ext4Options,
  seed: number,
  usage: Usage,
  inodes: ReadonlyMap<number, Buffer>,
  journal: { readonly size: number },
): Segment[] {
  const { geometry } = usage;
  const groups = Array.from({ length: geometry.groupCount }, (_, index) => makeGroup(usage, index));
  const descriptors = encodeDescriptors(seed, usage, groups);
  const journalInode = inodes.get(JOURNAL_INODE);
  if (journalInode === undefined) throw new Error('the journal has no inode');
  const backup = { size: journal.size, blockField: journalInode.subarray(0x28, 0x28 + 60) };
  return groups.flatMap((group, index): Segment[] => {
    const layout = groupLayout(geometry, index);
    const found = [
      inBlock(layout.blockBitmap, group.blockBitmap),
      inBlock(layout.inodeBitmap, group.inodeBitmap),
    ];
    if (group.usedInodes > 0)
      found.push(inBlock(layout.inodeTable, inodeTable(index, group.usedInodes, inodes)));
    if (!layout.hasSuperblock) return found;
    const superblock = encodeSuperblock(options, usage, groups, backup, index);
    const at = layout.first * BLOCK_SIZE + (index === 0 ? 1024 : 0);
    return [
      { offset: at, length: 1024, source: superblock },
      inBlock(layout.first + 1, descriptors),
      ...found,
    ];
  });
}

/** The used part of a group's inode table. Reserved inodes without content stay zeros. */
function inodeTable(group: number, used: number, inodes: ReadonlyMap<number, Buffer>): Buffer {
  const table = Buffer.alloc(used * INODE_SIZE);
  for (let index = 0; index < used; index++) {
    inodes.get(group * INODES_PER_GROUP + index + 1)?.copy(table, index * INODE_SIZE);
  }
  return table;
}
function countFolders(geometry: Geometry, items: readonly Item[]): number[] {
  const counts = new Array<number>(geometry.groupCount).fill(0);
  for (const { inode, node } of items) {
    const group = Math.floor((inode - 1) / INODES_PER_GROUP);
    if (node.kind === 'folder') counts[group] = (counts[group] ?? 0) + 1;
  }
  return counts;
}

function inBlock(block: number, source: Uint8Array): Segment {
  return { offset: block * BLOCK_SIZE, length: source.length, source };
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
