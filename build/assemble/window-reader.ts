import type { files } from '../host.ts';

/** Bytes read ahead at a time. */
const WINDOW = 4 * 1024 * 1024;

/**
 * Many small reads that mostly go forward through a large file: one system call for each few MiB.
 */
export class WindowReader {
  readonly #handle: files.FileHandle;
  #window = Buffer.allocUnsafe(WINDOW);
  /** Somebody has a view of it. */
  #lent = false;
  #start = 0;
  #length = 0;

  constructor(handle: files.FileHandle) {
    this.#handle = handle;
  }

  /** Copy `length` bytes at `position` of the file to `into` at `at`. @throws Error when the file ends early */
  async copy(position: number, length: number, into: Uint8Array, at: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const from = position + done;
      if (from < this.#start || from >= this.#start + this.#length) await this.#slide(from);
      const offset = from - this.#start;
      const count = Math.min(length - done, this.#length - offset);
      into.set(this.#window.subarray(offset, offset + count), at + done);
      done += count;
    }
  }

  async read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    await this.copy(position, length, bytes, 0);
    return bytes;
  }

  /**
   * Like {@link read}, without a copy, for bytes that are soon let go of: they keep a whole window in memory.
   *
   * @param length at most a window, 4 MiB
   */
  async view(position: number, length: number): Promise<Buffer> {
    if (position < this.#start || position + length > this.#start + this.#length) await this.#slide(position);
    const from = position - this.#start;
    if (from + length > this.#length)
      throw new Error(`a file ends early, at byte ${this.#start + this.#length}`);
    this.#lent = true;
    return this.#window.subarray(from, from + length);
  }

  async #slide(position: number): Promise<void> {
    if (this.#lent) this.#window = Buffer.allocUnsafe(WINDOW);
    this.#lent = false;
    const { bytesRead } = await this.#handle.read(this.#window, 0, WINDOW, position);
    if (bytesRead === 0) throw new Error(`a file ends early, at byte ${position}`);
    this.#start = position;
    this.#length = bytesRead;
  }
}
