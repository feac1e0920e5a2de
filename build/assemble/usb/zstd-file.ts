/**
 * A file that gets what is written to it as one frame of zstd, in a thread of its own: what zstd gives is memory
 * outside the heap, for which the collector would walk a heap with a whole file system's tree in it again and again.
 */
import { files } from '../../host.ts';
import { startThread } from '../thread.ts';
import type { Answer, Order, Start } from './zstd-file-thread.ts';

interface ZstdFile {
  /** Resolves when the bytes are needed no more; what is written next comes behind them, also before that. */
  write(bytes: Uint8Array): Promise<void>;
  zeros(count: number): Promise<void>;
  /** Everything is on the disk then. */
  end(): Promise<void>;
  /** Also when it was not ended: the file is not whole then. */
  close(): Promise<void>;
}

/**
 * @param handle open for writing; from now on it is this writer's, which closes it
 * @param file its name, for what is said when the disk does not take it: each call throws that as an OperatorError
 */
export function zstdFile(handle: files.FileHandle, file: string, level: number): ZstdFile {
  const thread = startThread<Order, Answer, void>(new URL('./zstd-file-thread.ts', import.meta.url), {
    workerData: { handle, level } satisfies Start,
    transferList: [handle as never],
    read: (answer) => {
      if (answer.kind === 'failed') throw Object.assign(new Error(answer.message), { code: answer.code });
    },
    failure: (cause) => files.storageError('file.unwritable', `cannot write ${file}`, cause),
  });
  return {
    write: (bytes) => thread.ask({ kind: 'bytes', bytes }),
    zeros: (count) => thread.ask({ kind: 'zeros', count }),
    end: () => thread.ask({ kind: 'end' }),
    async close() {
      thread.tell({ kind: 'stop' });
      await thread.ended;
    },
  };
}
