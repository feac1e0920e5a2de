/** What an image holds: ranges of bytes with their digests. Whatever lies between them is not written. */
export interface BlockRange {
  /** Bytes from the start of the image. */
  readonly offset: number;
  readonly length: number;
  /** Hexadecimal, of the range's bytes. */
  readonly sha256: string;
}

export interface BlockMap {
  /** Bytes of the whole image. */
  readonly size: number;
  /** Ascending, and never overlapping. */
  readonly ranges: readonly BlockRange[];
}

/** An image to write. */
export interface BlockSource {
  readonly map: BlockMap;
  /** Called with ascending offsets, so that a stream can be behind it. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

/** @returns what is wrong with a map that was read from somewhere; undefined when nothing is */
export function faultOfMap({ size, ranges }: BlockMap): string | undefined {
  let end = 0;
  for (const { offset, length, sha256 } of ranges) {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length <= 0) {
      return `a range of ${length} bytes at ${offset}`;
    }
    if (offset < end) return `ranges overlap or are out of order at byte ${offset}`;
    if (!/^[0-9a-f]{64}$/.test(sha256)) return `the range at byte ${offset} has no SHA-256`;
    end = offset + length;
  }
  return end > size ? `the ranges end at byte ${end}, behind the image's ${size}` : undefined;
}

/** Bytes that will be written. */
export function mappedBytes({ ranges }: BlockMap): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}
