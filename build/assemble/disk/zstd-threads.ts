import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Done, Task } from './zstd-thread.ts';

/**
 * zstd on all processors. Node's own asynchronous calls spend as much on each block of 64 KiB as zstd does, most of it
 * in the thread that reads and writes.
 */
export interface ZstdThreads {
  /** How many tasks keep all threads busy. */
  readonly room: number;
  /** One frame for each block; the task's buffer is gone afterwards. */
  compress(task: Task): Promise<Buffer[]>;
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (frames: Buffer[]) => void;
  readonly reject: (error: Error) => void;
}

/** Who reads and writes keeps no more than these busy. */
const MOST = 8;

export function startZstdThreads(count = Math.min(MOST, availableParallelism())): ZstdThreads {
  const threads = Array.from({ length: count }, startThread);
  let turn = 0;
  return {
    room: 2 * count,
    compress: (task) => {
      const thread = threads[turn++ % count];
      if (thread === undefined) throw new Error('no thread to compress with');
      return thread.compress(task);
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function startThread() {
  const worker = new Worker(new URL('./zstd-thread.ts', import.meta.url), { execArgv: [] });
  /** A thread answers in the order in which it was asked. */
  const waiting: Waiting[] = [];
  let failure: Error | undefined;
  worker.on('message', (done: Done) => waiting.shift()?.resolve(cut(done)));
  const fail = (error: Error) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  worker.on('error', fail);
  worker.on('messageerror', fail);
  worker.on('exit', () => fail(new Error('a thread that compresses has ended')));
  const compress = (task: Task) => {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
    // Of several that fail together, the first one is told.
    promise.catch(() => {});
    if (failure === undefined) {
      waiting.push({ resolve, reject });
      worker.postMessage(task, [task.blocks]);
    } else reject(failure);
    return promise;
  };
  return { worker, compress };
}

function cut({ frames, lengths }: Done): Buffer[] {
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return Buffer.from(frames, end - length, length);
  });
}
