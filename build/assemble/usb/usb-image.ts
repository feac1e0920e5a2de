/** The target usb: a live installer as `.img.zst`, and its block map beside it. */
import type { TransformOptions } from 'node:stream';
import { constants, createZstdCompress, type ZstdOptions } from 'node:zlib';
import { bothOrNeither } from '../../both-or-neither.ts';
import { writeBmap } from '../../flash/bmap.ts';
import { files } from '../../host.ts';
import { mapImage } from '../live/image-map.ts';
import { share } from '../live/share.ts';
import { liveSquashfs } from '../live/squashfs.ts';
import type { AssembleOptions } from '../targets.ts';
import { stickImage, stickVolumes } from './stick.ts';

/** Most of it is compressed already: the least effort takes what there is to take. */
const LEVEL = 1;
const ZEROS = Buffer.alloc(4 * 1024 * 1024);

/** As bmaptool and `flash` look for it. */
export function bmapOf(file: string): string {
  return file.replace(/\.zst$/, '.bmap');
}

export async function assembleUsb(file: string, options: AssembleOptions): Promise<void> {
  const onProgress = share(options, 0.6, 1);
  const [live, volumes] = await bothOrNeither(
    options.signal,
    (signal) => liveSquashfs({ ...options, signal, onProgress: share(options, 0, 0.6) }),
    (signal) => stickVolumes({ ...options, signal }),
  );
  const squashfs = await files.openFile(live, 'r');
  try {
    const { size } = await squashfs.stat();
    const { image, zeros } = await stickImage(options, volumes, { handle: squashfs, size });
    const out = await openZstd(file);
    try {
      let at = 0;
      const map = await mapImage(image, zeros, async ({ offset, bytes }) => {
        options.signal.throwIfAborted();
        const before = out.zeros(offset - at);
        at = offset + bytes.length;
        await Promise.all([before, out.write(bytes)]);
        onProgress(at, image.size);
      });
      await out.zeros(image.size - at);
      await out.end();
      await files.writeAtomic(bmapOf(file), writeBmap(map));
    } finally {
      await out.close();
    }
  } finally {
    await squashfs.close();
  }
}

/** A file that gets what is written to it as one frame of zstd. */
async function openZstd(file: string) {
  const handle = await files.openFile(file, 'wx');
  const options: ZstdOptions & TransformOptions = {
    chunkSize: 1024 * 1024,
    // So that the next ones are compressed while one is written.
    readableHighWaterMark: 8 * 1024 * 1024,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  };
  const zstd = createZstdCompress(options);
  let failure: Error | undefined;
  const written = (async () => {
    for await (const bytes of zstd as AsyncIterable<Buffer>) await handle.writeFile(bytes);
  })().catch((cause: unknown) => {
    failure = files.storageError('file.unwritable', `cannot write ${file}`, cause);
    zstd.destroy(failure);
  });
  const write = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) =>
      zstd.write(bytes, (error) => (error ? reject(failure ?? error) : resolve())),
    );
  return {
    /** Resolves when the bytes are needed no more. What is written next comes behind it, also before that. */
    write,
    async zeros(count: number): Promise<void> {
      const writes: Promise<void>[] = [];
      for (let left = count; left > 0; left -= ZEROS.length) writes.push(write(ZEROS.subarray(0, left)));
      await Promise.all(writes);
    },
    async end(): Promise<void> {
      zstd.end();
      await written;
      if (failure !== undefined) throw failure;
      await handle.sync();
    },
    async close(): Promise<void> {
      zstd.destroy();
      await written;
      await handle.close();
    },
  };
}
