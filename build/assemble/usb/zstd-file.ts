/**
 * A file that gets what is written to it as one frame of zstd, in a thread of its own: what zstd gives is memory
 * outside the heap, for which the collector would walk a heap with a whole file system's tree in it again and again.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { files } from '../../host.ts';
import type { Answer, Order, Start } from './zstd-file-thread.ts';

export interface ZstdFile {
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
  const worker = new Worker(new URL('./zstd-file-thread.ts', import.meta.url), {
    execArgv: [],
    workerData: { handle, level } satisfies Start,
    transferList: [handle as never],
  });
  const exited = once(worker, 'exit');
  const waiting: PromiseWithResolvers<void>[] = [];
  let failure: Error | undefined;
  const fail = (cause: unknown) => {
    failure ??= files.storageError('file.unwritable', `cannot write ${file}`, cause);
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  worker.on('message', (answer: Answer) => {
    if (answer.kind === 'done') waiting.shift()?.resolve();
    else fail(Object.assign(new Error(answer.message), { code: answer.code }));
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('the thread that compresses has ended')));

  const order = (given: Order): Promise<void> => {
    const answered = Promise.withResolvers<void>();
    // Of several that fail together, the first one is told.
    answered.promise.catch(() => {});
    if (failure === undefined) {
      waiting.push(answered);
      worker.postMessage(given);
    } else answered.reject(failure);
    return answered.promise;
  };
  return {
    write: (bytes) => order({ kind: 'bytes', bytes }),
    zeros: (count) => order({ kind: 'zeros', count }),
    end: () => order({ kind: 'end' }),
    async close() {
      worker.postMessage({ kind: 'stop' } satisfies Order);
      await exited;
    },
  };
}
