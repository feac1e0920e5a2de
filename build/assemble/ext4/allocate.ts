import { BLOCKS_PER_GROUP, type Geometry, groupLayout } from './geometry.ts';

/** A run of blocks of a file: `length` blocks from block `physical` on hold the file's from `logical` on. */
export interface Extent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
}

/** The tree does not fit: a larger disk would help. Any other error of this folder is about the tree itself. */
export class FileSystemFull extends RangeError {}

/** An extent of a file in use holds 32,768 blocks at most (struct ext4_extent, ee_len). */
const LONGEST_EXTENT = 32768;

/**
 * Hands out blocks from the front, in the order asked for. Nothing is ever given back, so the same requests give
 * the same places: that is what makes an image reproducible and a changed last file cheap.
 */
export class BlockAllocator {
  readonly #geometry: Geometry;
  #next: number;

  constructor(geometry: Geometry) {
    this.#geometry = geometry;
    this.#next = groupLayout(geometry, 0).firstData;
  }

  /** @throws FileSystemFull */
  take(blocks: number): Extent[] {
    const extents: Extent[] = [];
    for (let logical = 0; logical < blocks; ) {
      if (this.#next >= this.#geometry.blockCount) throw new FileSystemFull('the file system is full');
      const group = groupLayout(this.#geometry, Math.floor(this.#next / BLOCKS_PER_GROUP));
      this.#next = Math.max(this.#next, group.firstData);
      const room = group.first + group.blocks - this.#next;
      const length = Math.min(blocks - logical, room, LONGEST_EXTENT);
      if (length > 0) extents.push({ logical, physical: this.#next, length });
      logical += length;
      this.#next += length;
    }
    return extents;
  }

  /** The first block that nobody has. Everything before it is in use. */
  get next(): number {
    return this.#next;
  }
}
