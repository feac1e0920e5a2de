/** The thread of {@link import('./zstd-file.ts')}. */
import { once } from 'node:events';
import type { TransformOptions } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import { constants, createZstdCompress, type ZstdOptions } from 'node:zlib';
import type { files } from '../../host.ts';

/** The thread owns the file: it closes it when it ends. */
export interface Start {
  readonly handle: files.FileHandle;
  readonly level: number;
}

export type Order =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'zeros'; readonly count: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'stop' };

/** Each order but `stop` is answered by `done`, in their order, when its bytes are needed no more. */
export type Answer =
  | { readonly kind: 'done' }
  /** An errno, or undefined; after it nothing is answered. */
  | { readonly kind: 'failed'; readonly code: string | undefined; readonly message: string };

const CHUNK = 1024 * 1024;
const ZEROS = Buffer.alloc(4 * CHUNK);

const { handle, level } = workerData as Start;
const options: ZstdOptions & TransformOptions = {
  chunkSize: CHUNK,
  // So that the next ones are compressed while one is written.
  readableHighWaterMark: 8 * CHUNK,
  params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
};
const zstd = createZstdCompress(options);
let failed = false;

const written = (async () => {
  for await (const bytes of zstd as AsyncIterable<Buffer>) await handle.writeFile(bytes);
})().catch(fail);

let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (order: Order) => {
  if (order.kind === 'stop') void stop();
  else last = last.then(() => follow(order)).then(() => answer({ kind: 'done' }), fail);
});

async function follow(order: Exclude<Order, { kind: 'stop' }>): Promise<void> {
  if (order.kind === 'bytes') await write(order.bytes);
  else if (order.kind === 'zeros') {
    for (let left = order.count; left > 0; left -= ZEROS.length) await write(ZEROS.subarray(0, left));
  } else {
    zstd.end();
    await written;
    await handle.sync();
  }
}

function write(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => zstd.write(bytes, (error) => (error ? reject(error) : resolve())));
}

function fail(error: NodeJS.ErrnoException): void {
  if (!failed) answer({ kind: 'failed', code: error.code, message: error.message });
  failed = true;
  zstd.destroy();
}

function answer(said: Answer): void {
  if (!failed) parentPort?.postMessage(said);
}

async function stop(): Promise<void> {
  if (!zstd.closed) {
    zstd.destroy();
    await once(zstd, 'close');
  }
  await written;
  // What the disk says to it now is of a file that is given up, or was on the disk before.
  await handle.close().catch(() => {});
  parentPort?.close();
}
