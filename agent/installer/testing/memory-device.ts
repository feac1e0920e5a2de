import type { BlockDevice } from '../device.ts';

interface Written {
  readonly offset: number;
  readonly bytes: Buffer;
  /** Which flush came before it. */
  readonly epoch: number;
}

/** A disk in memory that remembers each write, for looking at what a power cut would have left. */
export class MemoryDevice implements BlockDevice {
  readonly path = '/dev/memory';
  readonly identity = { number: '0:0', sequence: undefined, size: undefined };
  readonly size: number;
  readonly sector: number;
  readonly log: Written[] = [];
  /** What was there before. */
  readonly before: Buffer;
  readonly now: Buffer;
  #epoch = 0;

  constructor(size: number, sector: number, fill = 0) {
    this.size = size;
    this.sector = sector;
    this.before = Buffer.alloc(size, fill);
    this.now = Buffer.from(this.before);
  }

  read = async (offset: number, length: number): Promise<Buffer> => {
    this.#check(offset, length);
    return Buffer.from(this.now.subarray(offset, offset + length));
  };

  write = async (bytes: Uint8Array, offset: number): Promise<void> => {
    this.#check(offset, bytes.length);
    this.log.push({ offset, bytes: Buffer.from(bytes), epoch: this.#epoch });
    this.now.set(bytes, offset);
  };

  sync = async (): Promise<void> => {
    this.#epoch += 1;
  };

  close = async (): Promise<void> => {};

  /**
   * What is on the disk when power goes during write `count`: all that was flushed, and of the rest whichever
   * sectors `keeps` says.
   */
  afterCut(count: number, keeps: () => boolean): Buffer {
    const image = Buffer.from(this.before);
    const done = this.log.slice(0, count);
    const epoch = done.at(-1)?.epoch ?? 0;
    for (const { offset, bytes, epoch: own } of done) {
      for (let at = 0; at < bytes.length; at += this.sector) {
        if (own < epoch || keeps()) bytes.copy(image, offset + at, at, at + this.sector);
      }
    }
    return image;
  }

  #check(offset: number, length: number): void {
    if (offset % this.sector !== 0 || length % this.sector !== 0 || offset + length > this.size) {
      throw new Error(`${length} bytes at ${offset} of ${this.size} are no whole sectors of ${this.sector}`);
    }
  }
}
