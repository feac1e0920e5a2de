/**
 * Which parts of an image must be written to a device, and their digests. Parts that hold nothing and of which
 * nobody asks are left out: whatever an old disk has there does no harm.
 */
import { createHash } from 'node:crypto';
import type { BlockMap, BlockRange } from '../../../agent/installer/block-map.ts';
import { chunks, type DiskImage, isZero } from '../segments.ts';

/** What is mapped or not as a whole. */
const CELL = 64 * 1024;
const CHUNK = 4 * 1024 * 1024;
/** The longest range: a fault is told with its place, and nothing is held that long. */
const LONGEST = 16 * 1024 * 1024;

/** Bytes from and to the end, which is not part of it. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface Piece {
  /** Bytes from the start of the image. Pieces come in order. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * Walk an image once.
 *
 * @param zeros stretches that must be written although they hold nothing: tables that a file system reads
 * @param take gets every piece that is mapped, the next ones maybe before it has resolved; it resolves when it needs
 *   the bytes no more
 */
export async function mapImage(
  image: DiskImage,
  zeros: readonly Stretch[],
  take: (piece: Piece) => Promise<void>,
): Promise<BlockMap> {
  const ranges = new RangeList();
  const wanted = wantedChunks(image.size, zeros);
  const filled = (index: number, bytes: Buffer): Promise<unknown> => {
    const taken: Promise<void>[] = [];
    const start = index * CHUNK;
    const end = Math.min(start + CHUNK, image.size);
    for (let offset = start; offset < end; ) {
      const mapped = isMapped(offset);
      let to = offset;
      while (to < end && isMapped(to) === mapped) to += CELL;
      to = Math.min(to, end);
      if (mapped) {
        const piece = bytes.subarray(offset - start, to - start);
        ranges.add(offset, piece);
        taken.push(take({ offset, bytes: piece }));
      }
      offset = to;
    }
    const all = Promise.all(taken);
    // It is thrown where it is awaited.
    all.catch(() => {});
    return all;
    function isMapped(at: number): boolean {
      const cell = bytes.subarray(at - start, Math.min(at + CELL, end) - start);
      return zeros.some(({ from, to }) => from < at + CELL && to > at) || !isZero(cell);
    }
  };
  // Shared, so that a thread may take from them.
  const place = () => Buffer.from(new SharedArrayBuffer(CHUNK));
  const empty = place();
  let [filling, resting] = [place(), place()];
  let before: Promise<unknown> = Promise.resolve();
  for await (const { index, bytes } of chunks(image, CHUNK, () => filling.fill(0))) {
    while ((wanted[0] ?? Number.POSITIVE_INFINITY) < index) await filled(wanted.shift() as number, empty);
    if (wanted[0] === index) wanted.shift();
    const now = filled(index, bytes);
    // The next chunk comes where the one before this was.
    await before;
    before = now;
    [filling, resting] = [resting, filling];
  }
  await before;
  for (const index of wanted) await filled(index, empty);
  return { size: image.size, ranges: ranges.end() };
}

/**
 * The stretches as what is mapped for them: whole cells, joined, in order. Pure.
 *
 * @param size bytes of the image, in which the last one ends
 */
export function cellsOf(size: number, stretches: readonly Stretch[]): Stretch[] {
  const joined: { from: number; to: number }[] = [];
  for (const stretch of stretches.toSorted((one, other) => one.from - other.from)) {
    const from = Math.floor(stretch.from / CELL) * CELL;
    const to = Math.min(Math.ceil(stretch.to / CELL) * CELL, size);
    const last = joined.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/** Chunks that hold a stretch, in order. */
function wantedChunks(size: number, zeros: readonly Stretch[]): number[] {
  const found = new Set<number>();
  for (const { from, to } of zeros) {
    for (let at = Math.floor(from / CHUNK); at * CHUNK < Math.min(to, size); at++) found.add(at);
  }
  return [...found].sort((one, other) => one - other);
}

/** Joins neighbours, up to {@link LONGEST} bytes. */
class RangeList {
  readonly #ranges: BlockRange[] = [];
  #offset = 0;
  #length = 0;
  #hash = createHash('sha256');

  add(offset: number, bytes: Buffer): void {
    if (offset !== this.#offset + this.#length || this.#length + bytes.length > LONGEST) this.#close(offset);
    this.#hash.update(bytes);
    this.#length += bytes.length;
  }

  end(): readonly BlockRange[] {
    this.#close(0);
    return this.#ranges;
  }

  #close(next: number): void {
    if (this.#length > 0) {
      this.#ranges.push({
        offset: this.#offset,
        length: this.#length,
        sha256: this.#hash.digest('hex'),
      });
    }
    this.#hash = createHash('sha256');
    this.#offset = next;
    this.#length = 0;
  }
}
