/** A thread of {@link import('./zstd-threads.ts')}: frames for blocks, in their order. */
import { parentPort } from 'node:worker_threads';
import { constants, zstdCompressSync } from 'node:zlib';

export interface Task {
  /** Blocks of one size, one behind the other. */
  readonly blocks: ArrayBuffer;
  readonly blockSize: number;
  /** zstd level, 1 to 19. */
  readonly level: number;
}

/** The frames, one behind the other, and the bytes of each. */
export interface Done {
  readonly frames: ArrayBuffer;
  readonly lengths: readonly number[];
}

parentPort?.on('message', (task: Task) => {
  const done = framesOf(task);
  parentPort?.postMessage(done, [done.frames]);
});

function framesOf({ blocks, blockSize, level }: Task): Done {
  const options = {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    // Knowing the size, zstd sets up tables of 64 KiB instead of several MiB: twice as fast.
    pledgedSrcSize: blockSize,
    // Room for all of it, whatever it holds.
    chunkSize: blockSize + 512,
  };
  const frames: Buffer[] = [];
  for (let at = 0; at < blocks.byteLength; at += blockSize)
    frames.push(zstdCompressSync(new Uint8Array(blocks, at, blockSize), options));
  const joined = Buffer.alloc(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const frame of frames) at += frame.copy(joined, at);
  return { frames: joined.buffer, lengths: frames.map(({ length }) => length) };
}
