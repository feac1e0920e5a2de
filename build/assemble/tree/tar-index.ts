/**
 * Reads the headers of a tar file, not its data: where each file's bytes lie is enough to build an image.
 * tar-stream has no positions, and would pump the whole archive through the process.
 *
 * Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar
 * Format" (long names).
 */
import type { files } from '../../host.ts';
import { WindowReader } from '../window-reader.ts';
import type { NodeKind, Tree, TreeNode } from './node.ts';

const BLOCK = 512;
/** Entries that say something about the next one: pax, and GNU tar's long names and links. */
const HEADERS = ['x', 'L', 'K'];
/** Far above what names and attributes take: a longer one is damage, and not worth its memory. */
const LONGEST_HEADER = 1024 * 1024;
const KINDS: Readonly<Record<string, NodeKind>> = {
  '0': 'file',
  '\0': 'file',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'folder',
  '6': 'fifo',
};

interface Header {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly link: string;
  readonly block: Buffer;
}

/**
 * The tree that a tar file holds. Data stays in the file.
 *
 * @throws Error when the archive is damaged or cut off, or when a hard link has no target
 */
export async function readTarIndex(handle: files.FileHandle): Promise<Tree> {
  const reader = new WindowReader(handle);
  const tree: Tree = new Map();
  let pax = new Map<string, Buffer>();
  for (let at = 0; ; ) {
    const block = await reader.read(at, BLOCK);
    if (block.every((byte) => byte === 0)) return tree;
    const header = parseHeader(block, at);
    const size = paxNumber(pax, 'size') ?? header.size;
    if (!Number.isSafeInteger(size) || size < 0) throw new Error(`tar: ${header.name} has the size ${size}`);
    const dataAt = at + BLOCK;
    at = dataAt + Math.ceil(size / BLOCK) * BLOCK;
    if (header.type === 'g') continue;
    if (HEADERS.includes(header.type)) {
      if (size > LONGEST_HEADER) throw new Error(`tar: a header of ${size} bytes is too long`);
      const data = await reader.read(dataAt, size);
      if (header.type === 'x') pax = parsePax(data);
      else pax.set(header.type === 'L' ? 'path' : 'linkpath', stripNul(data));
      continue;
    }
    const path = normalise(paxText(pax, 'path') ?? header.name);
    const link = paxText(pax, 'linkpath') ?? header.link;
    if (header.type === 'S' || [...pax.keys()].some((key) => key.startsWith('GNU.sparse.'))) {
      throw new Error(`tar: ${path} is stored as a sparse file, which this reader does not know`);
    }
    if (header.type === '1') {
      const original = tree.get(normalise(link));
      if (original === undefined)
        throw new Error(`tar: hard link ${path} to ${link}, which is not in the archive`);
      if (original.kind === 'folder') throw new Error(`tar: ${path} is a hard link to the folder ${link}`);
      tree.set(path, original);
    } else {
      tree.set(path, toNode({ ...header, link, size }, pax, { handle, position: dataAt }));
    }
    pax = new Map();
  }
}

function toNode(
  header: Header,
  pax: Map<string, Buffer>,
  source: { handle: files.FileHandle; position: number },
): TreeNode {
  const kind = KINDS[header.type];
  if (kind === undefined) throw new Error(`tar: entry ${header.name} has the unknown type ${header.type}`);
  const number = (key: string, offset: number, length: number) =>
    paxNumber(pax, key) ?? octal(header.block, offset, length);
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of pax) {
    if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice('SCHILY.xattr.'.length), value);
  }
  return {
    kind,
    mode: octal(header.block, 100, 8) & 0o7777,
    uid: number('uid', 108, 8),
    gid: number('gid', 116, 8),
    mtime: Math.floor(number('mtime', 136, 12)),
    xattrs,
    size: kind === 'file' ? header.size : 0,
    ...(kind === 'file' && header.size > 0 ? { source } : {}),
    ...(kind === 'symlink' ? { target: header.link } : {}),
    ...(kind === 'character' || kind === 'block'
      ? { major: octal(header.block, 329, 8), minor: octal(header.block, 337, 8) }
      : {}),
  };
}

function parseHeader(block: Buffer, at: number): Header {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  if (sum !== octal(block, 148, 8)) throw new Error(`tar: wrong header checksum at byte ${at}`);
  // With GNU's magic, which ends in a blank, other things are there.
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: String.fromCharCode(block[156] ?? 0),
    size: octal(block, 124, 12),
    link: text(block, 157, 100),
    block,
  };
}

/** Records `LENGTH KEY=VALUE\n`; a value may hold any bytes. */
function parsePax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString('latin1', at, space));
    const equals = data.indexOf(0x3d, space);
    const within = length > 0 && at + length <= data.length && equals < at + length;
    if (!within || space < 0 || equals < 0) throw new Error('tar: damaged pax header');
    records.set(data.toString('utf8', space + 1, equals), data.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

function paxText(pax: ReadonlyMap<string, Buffer>, key: string): string | undefined {
  const value = pax.get(key);
  return value === undefined ? undefined : decode(value);
}

function paxNumber(pax: ReadonlyMap<string, Buffer>, key: string): number | undefined {
  const value = paxText(pax, key);
  if (value === undefined) return undefined;
  if (!/^-?\d+(\.\d*)?$/.test(value)) throw new Error(`tar: the ${key} "${value}" is no number`);
  return Number(value);
}

/** A number in octal, or in base 256 with the first bit set: two's complement, big endian (GNU tar, star). */
function octal(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = (first & 0x40) === 0 ? first & 0x3f : first - 0x100;
    for (let at = offset + 1; at < offset + length; at++) value = value * 256 + (block[at] ?? 0);
    return value;
  }
  const digits = text(block, offset, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new Error(`tar: "${digits}" is no octal number`);
  return Number.parseInt(digits || '0', 8);
}

function text(block: Buffer, offset: number, length: number): string {
  return decode(stripNul(block.subarray(offset, offset + length)));
}

/** Another name in the place of one that is not UTF-8 would be a file that nobody finds. */
function decode(bytes: Buffer): string {
  const value = bytes.toString('utf8');
  if (value.includes('\ufffd') && !Buffer.from(value).equals(bytes))
    throw new Error(`tar: "${value}" is not UTF-8`);
  return value;
}

function stripNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** `./usr/bin/` and `usr/bin` are the same place. A path that climbs out is an attack or a fault. */
function normalise(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`tar: the path ${path} leaves the archive`);
  return parts.join('/');
}
