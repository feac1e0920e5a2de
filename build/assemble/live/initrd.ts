/**
 * A small archive beside the initramfs of the system, for the kernel to unpack first: so the installed system knows
 * nothing of live media.
 *
 * Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst (format "newc").
 */
import { parentsOf } from '../tree/parents.ts';

interface InitrdFile {
  /** `scripts/x`; its folders are made. */
  readonly path: string;
  readonly mode: number;
  readonly text: string;
}

const FOLDER = 0o040755;
const REGULAR = 0o100000;

/** @returns an uncompressed archive, its length a multiple of 512 */
export function initrdArchive(files: readonly InitrdFile[], epoch: number): Buffer {
  const folders = new Set(files.flatMap(({ path }) => parentsOf(path)));
  const entries = [
    ...[...folders].map((name) => ({ name, mode: FOLDER, data: Buffer.alloc(0) })),
    ...files.map(({ path, mode, text }) => ({ name: path, mode: REGULAR | mode, data: Buffer.from(text) })),
    { name: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) },
  ];
  const bytes = Buffer.concat(
    entries.map((entry, index) => encodeEntry({ ...entry, inode: index + 1, epoch })),
  );
  return padded(bytes, 512);
}

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly data: Buffer;
  readonly inode: number;
  readonly epoch: number;
}

function encodeEntry({ name, mode, data, inode, epoch }: Entry): Buffer {
  const [uid, gid, links, major, minor, rmajor, rminor, check] = [0, 0, 1, 0, 0, 0, 0, 0];
  const fields = [inode, mode, uid, gid, links, epoch, data.length, major, minor, rmajor, rminor];
  const numbers = [...fields, Buffer.byteLength(name) + 1, check];
  const header = `070701${numbers.map((value) => value.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(header), 4), padded(data, 4)]);
}

function padded(bytes: Buffer, multiple: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((multiple - (bytes.length % multiple)) % multiple)]);
}
