/**
 * A tree as the tar file of a container's layer, in the pax format: hard links, set-id bits and extended attributes
 * stay what they are. Source: POSIX.1-2017 pax, "pax Extended Header"; star(5) for SCHILY.xattr; OCI image
 * specification, layer.md.
 */
import { type Header, type Pack, pack } from 'tar-stream';
import type { Tree, TreeNode } from '../tree/node.ts';
import { paxBlocks, paxRecord } from '../tree/pax.ts';
import { WindowReader } from '../window-reader.ts';

/** Bytes of a file that are read at a time. */
const PIECE = 1024 * 1024;

type Headers = Partial<Header> & Pick<Header, 'name'>;

interface Entry {
  /** A record before the entry, when its attributes need one. */
  readonly pax: Buffer | undefined;
  readonly header: Headers;
  readonly node: TreeNode;
  /** The entry carries the node's bytes. */
  readonly data: boolean;
}

/**
 * The entries of a tree: sorted by path, each folder before what is in it. Of several names of one file the first has
 * its bytes, and the others are links to that.
 */
export function layerEntries(tree: Tree): Entry[] {
  const first = new Map<TreeNode, string>();
  const entries: Entry[] = [];
  const paths = [...tree.keys()].filter((path) => path !== '').sort(byBytes);
  for (const path of paths) {
    const node = tree.get(path);
    if (node === undefined) continue;
    const original = node.kind === 'folder' ? undefined : first.get(node);
    if (original === undefined) first.set(node, path);
    entries.push(entryOf(path, node, original, entries.length));
  }
  return entries;
}

/** What the files of a layer hold, in bytes. */
export function contentSize(entries: readonly Entry[]): number {
  return entries.reduce((sum, { node, data }) => sum + (data ? node.size : 0), 0);
}

/** The layer, chunk by chunk, a whole number of blocks. Chunks are to be let go of soon. */
export async function* writeLayer(entries: readonly Entry[], signal: AbortSignal): AsyncGenerator<Buffer> {
  const layer = pack();
  const fed = feed(layer, entries, signal).catch((error: Error) => void layer.destroy(error));
  yield* layer as AsyncIterable<Buffer>;
  await fed;
}

async function feed(layer: Pack, entries: readonly Entry[], signal: AbortSignal): Promise<void> {
  const readers = new Map<unknown, WindowReader>();
  for (const { pax, header, node, data } of entries) {
    signal.throwIfAborted();
    if (!data) {
      await addHeaders(layer, pax, header);
      continue;
    }
    if (pax !== undefined) layer.push(paxBlocks(pax));
    await addFile(layer, header, node, readers);
  }
  layer.finalize();
}

/** By write() even for small ones: only that waits until what was written before has been taken. */
async function addFile(
  layer: Pack,
  header: Headers,
  { source, size }: TreeNode,
  readers: Map<unknown, WindowReader>,
): Promise<void> {
  await settled((done) => {
    const entry = layer.entry(header, done);
    entry.on('error', done);
    const write = async () => {
      for await (const bytes of pieces(source, size, readers)) {
        if (!entry.write(bytes)) await new Promise<void>((resolve) => entry.once('drain', resolve));
      }
      entry.end(undefined);
    };
    write().catch((error: Error) => void layer.destroy(error));
  });
}

async function* pieces(
  source: TreeNode['source'],
  size: number,
  readers: Map<unknown, WindowReader>,
): AsyncGenerator<Uint8Array> {
  if (source === undefined || size === 0) return;
  if (source instanceof Uint8Array) return yield source;
  const reader = readers.get(source.handle) ?? new WindowReader(source.handle);
  readers.set(source.handle, reader);
  for (let at = 0; at < size; at += PIECE) {
    yield await reader.view(source.position + at, Math.min(PIECE, size - at));
  }
}

async function addHeaders(layer: Pack, pax: Buffer | undefined, header: Headers): Promise<void> {
  if (pax !== undefined) layer.push(paxBlocks(pax));
  await settled((done) => layer.entry(header, Buffer.alloc(0), done));
}

function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

function entryOf(path: string, node: TreeNode, original: string | undefined, index: number): Entry {
  const { mode, uid, gid, mtime } = node;
  const whose = { mode, uid, gid, mtime: new Date(mtime * 1000), uname: '', gname: '' };
  if (original !== undefined) {
    const header: Headers = { ...whose, name: path, type: 'link', linkname: original };
    return { pax: undefined, header, node, data: false };
  }
  const name = node.kind === 'folder' ? `${path}/` : path;
  const header: Headers = { ...whose, name, ...shapeOf(node) };
  const data = node.kind === 'file';
  if (node.xattrs.size === 0) return { pax: undefined, header, node, data };
  const records = [
    paxRecord('path', Buffer.from(name)),
    ...(header.linkname ? [paxRecord('linkpath', Buffer.from(header.linkname))] : []),
    ...[...node.xattrs]
      .sort(([one], [other]) => byBytes(one, other))
      .map(([key, value]) => paxRecord(`SCHILY.xattr.${key}`, value)),
  ];
  // A short name, so that tar-stream adds no record of its own, which would take the place of ours.
  const short = { ...header, name: `xattr-${index}`, ...(header.linkname ? { linkname: 'target' } : {}) };
  return { pax: Buffer.concat(records), header: short, node, data };
}

function shapeOf(node: TreeNode): Partial<Header> {
  switch (node.kind) {
    case 'folder':
      return { type: 'directory' };
    case 'file':
      return { type: 'file', size: node.size };
    case 'symlink':
      return { type: 'symlink', linkname: node.target ?? '' };
    case 'fifo':
      return { type: 'fifo' };
    default: {
      const type = node.kind === 'block' ? 'block-device' : 'character-device';
      return { type, devmajor: node.major ?? 0, devminor: node.minor ?? 0 };
    }
  }
}

/** Not localeCompare: the order must not depend on the machine. */
function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
