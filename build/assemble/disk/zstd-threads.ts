import { availableParallelism } from 'node:os';
import { startThread } from '../thread.ts';
import type { Done, Task } from './zstd-thread.ts';

/**
 * zstd on all processors. Node's own asynchronous calls spend as much on each block of 64 KiB as zstd does, most of it
 * in the thread that reads and writes.
 */
interface ZstdThreads {
  /** How many tasks keep all threads busy. */
  readonly room: number;
  /** One frame for each block; the task's buffer is gone afterwards. */
  compress(task: Task): Promise<Buffer[]>;
  close(): Promise<void>;
}

/** Who reads and writes keeps no more than these busy. */
const MOST = 8;

export function startZstdThreads(count = Math.min(MOST, availableParallelism())): ZstdThreads {
  const threads = Array.from({ length: count }, () =>
    startThread<Task, Done, Buffer[]>(new URL('./zstd-thread.ts', import.meta.url), { read: cut }),
  );
  let turn = 0;
  return {
    room: 2 * count,
    compress: (task) => {
      const thread = threads[turn++ % count];
      if (thread === undefined) throw new Error('no thread to compress with');
      return thread.ask(task, [task.blocks]);
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.terminate()));
    },
  };
}

function cut({ frames, lengths }: Done): Buffer[] {
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return Buffer.from(frames, end - length, length);
  });
}
