import * as fs from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

const PIECE = 1024 * 1024;

/** The bytes of a file in order; those of a .zst decompressed. Stops reading when the loop over it ends. */
export async function* readImage(file: string): AsyncGenerator<Buffer> {
  const input = fs.createReadStream(file, { highWaterMark: PIECE });
  let output: Readable = input;
  if (file.endsWith('.zst')) {
    const zstd = createZstdDecompress({ chunkSize: PIECE });
    // The failure comes out of the loop below.
    output = pipeline(input, zstd, () => {});
  }
  try {
    for await (const piece of output) yield piece as Buffer;
  } finally {
    output.destroy();
    input.destroy();
  }
}
