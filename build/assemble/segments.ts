/**
 * A disk or file system image as a list of what is where, so that no image is ever written twice: the file
 * system says where its blocks go, the partition table shifts them, the qcow2 writer reads them once.
 */
import type { files } from '../host.ts';
import { WindowReader } from './window-reader.ts';

/** Bytes from memory or from a part of an open file. Everything outside all segments reads as zeros. */
export interface Segment {
  /** Where it goes, in bytes from the start of the image. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
  readonly source: Uint8Array | FilePart;
}

interface FilePart {
  readonly handle: files.FileHandle;
  /** Where the bytes start in that file. */
  readonly position: number;
}

export interface DiskImage {
  /** Size in bytes of the whole image, holes included. */
  readonly size: number;
  /** Sorted by offset; they never overlap. */
  readonly segments: readonly Segment[];
}

/** The same segments, moved by `by` bytes. */
export function shift(segments: readonly Segment[], by: number): Segment[] {
  return segments.map((segment) => ({ ...segment, offset: segment.offset + by }));
}

/** Sort and check: an overlap is a fault of ours and would corrupt the image. */
export function inOrder(size: number, segments: readonly Segment[]): DiskImage {
  const sorted = segments.filter((segment) => segment.length > 0).sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const segment of sorted) {
    if (segment.offset < end) throw new Error(`segments overlap at byte ${segment.offset}`);
    end = segment.offset + segment.length;
  }
  if (end > size) throw new Error(`segments end at byte ${end}, behind the image's ${size}`);
  return { size, segments: sorted };
}

/**
 * Walk an image in chunks of a fixed size and hand out those that hold any data. Chunks that no segment
 * touches are skipped, so a sparse image costs what it holds.
 *
 * @param chunkSize bytes, a power of two
 * @param place gives the zeros that the next chunk is written over
 */
export async function* chunks(
  image: DiskImage,
  chunkSize: number,
  place: () => Buffer = () => Buffer.alloc(chunkSize),
): AsyncGenerator<{ index: number; bytes: Buffer }> {
  const readers: Readers = new Map();
  let next = 0;
  for (let index = 0; next < image.segments.length; index++) {
    const first = image.segments[next];
    if (first === undefined) return;
    index = Math.max(index, Math.floor(first.offset / chunkSize));
    const start = index * chunkSize;
    const end = start + chunkSize;
    const bytes = place();
    for (let at = next; at < image.segments.length; at++) {
      const segment = image.segments[at];
      if (segment === undefined || segment.offset >= end) break;
      await copyInto(bytes, start, end, segment, readers);
      if (segment.offset + segment.length <= end) next = at + 1;
    }
    yield { index, bytes };
  }
}

/** All bytes of an image that is in memory already but for its holes. */
export async function wholeImage({ size, segments }: DiskImage): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  for (const segment of segments) await copyInto(bytes, 0, size, segment, new Map());
  return bytes;
}

/** Whether a chunk, of one byte at least, reads as a hole does. */
export function isZero(bytes: Buffer): boolean {
  return bytes[0] === 0 && bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0;
}

/** One reader for each source file. */
type Readers = Map<files.FileHandle, WindowReader>;

async function copyInto(
  bytes: Buffer,
  start: number,
  end: number,
  segment: Segment,
  readers: Readers,
): Promise<void> {
  const from = Math.max(start, segment.offset);
  const to = Math.min(end, segment.offset + segment.length);
  const { source } = segment;
  if (source instanceof Uint8Array) {
    bytes.set(source.subarray(from - segment.offset, to - segment.offset), from - start);
    return;
  }
  const reader = readers.get(source.handle) ?? new WindowReader(source.handle);
  readers.set(source.handle, reader);
  await reader.copy(source.position + from - segment.offset, to - from, bytes, from - start);
}
