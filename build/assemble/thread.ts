import { Worker, type WorkerOptions } from 'node:worker_threads';

/** A thread that answers what it is asked, in the order in which it is asked. */
interface Thread<Question, Answer> {
  /** @throws what the thread has failed with, also when it failed at an earlier question */
  ask(question: Question, transfer?: readonly ArrayBuffer[]): Promise<Answer>;
  /** What it does not answer. */
  tell(question: Question): void;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;
  terminate(): Promise<unknown>;
}

interface ThreadOptions<Said, Answer> extends Pick<WorkerOptions, 'workerData' | 'transferList'> {
  /** @throws what the answer says that went wrong: the thread has failed then */
  readonly read: (said: Said) => Answer;
  /** How its end, and what it throws itself, is told. */
  readonly failure?: (cause: Error) => Error;
}

export function startThread<Question, Said, Answer>(
  module: URL,
  { read, failure = (cause) => cause, ...start }: ThreadOptions<Said, Answer>,
): Thread<Question, Answer> {
  const worker = new Worker(module, { execArgv: [], ...start });
  const waiting: PromiseWithResolvers<Answer>[] = [];
  const ended = Promise.withResolvers<void>();
  let failed: Error | undefined;
  const fail = (cause: Error) => {
    failed ??= failure(cause);
    for (const { reject } of waiting.splice(0)) reject(failed);
  };
  worker.on('message', (said: Said) => {
    try {
      const answer = read(said);
      waiting.shift()?.resolve(answer);
    } catch (cause) {
      fail(cause as Error);
    }
  });
  worker.on('error', fail);
  worker.on('messageerror', fail);
  worker.on('exit', () => {
    fail(new Error('the thread has ended'));
    ended.resolve();
  });
  return {
    ended: ended.promise,
    ask(question, transfer = []) {
      const asked = Promise.withResolvers<Answer>();
      // Of several that fail together, the first one is told.
      asked.promise.catch(() => {});
      if (failed === undefined) {
        waiting.push(asked);
        worker.postMessage(question, [...transfer]);
      } else asked.reject(failed);
      return asked.promise;
    },
    tell: (question) => worker.postMessage(question),
    terminate: () => worker.terminate(),
  };
}
