import { createHash } from 'node:crypto';
import type { BlockRange, BlockSource } from './block-map.ts';
import { type BlockDevice, DeviceFault } from './device.ts';

/** Bytes that are held at once. */
const CHUNK = 4 * 1024 * 1024;

export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes done since the last call. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * Write the ranges of a source, each moved by `shift` bytes, and check on the way what is read from the source.
 *
 * @param options.holdBack bytes at the start of the device that are not written
 * @param options.onPiece called with each piece and its place on the device
 * @throws DeviceFault `source` when the source is damaged, and the device's own
 */
export async function writeRanges(
  device: BlockDevice,
  source: BlockSource,
  shift: number,
  options: WorkOptions & {
    readonly holdBack?: number;
    readonly onPiece?: (bytes: Uint8Array, offset: number) => void;
  } = {},
): Promise<void> {
  const { holdBack = 0 } = options;
  for (const range of source.map.ranges) {
    const hash = createHash('sha256');
    let next = readAhead(source, range, 0);
    for (let done = 0; done < range.length; ) {
      options.signal?.throwIfAborted();
      const bytes = await next;
      const offset = range.offset + shift + done;
      done += bytes.length;
      // The next piece is read while this one is written.
      next = readAhead(source, range, done);
      hash.update(bytes);
      options.onPiece?.(bytes, offset);
      const held = Math.min(bytes.length, Math.max(0, holdBack - offset));
      if (held < bytes.length) {
        await device.write(wholeSectors(bytes.subarray(held), device.sector), offset + held);
      }
      options.onBytes?.(bytes.length);
    }
    if (hash.digest('hex') !== range.sha256) {
      throw new DeviceFault(
        'source',
        `the image is damaged: ${range.length} bytes at ${range.offset} are not what its block map says`,
        { fix: 'fetch or build it again, and check it with: npx clusteros-build verify' },
      );
    }
  }
}

/** A stop or another failure may come before anybody waits for it. */
function readAhead(source: BlockSource, range: BlockRange, done: number): Promise<Uint8Array> {
  const piece = readPiece(source, range, done);
  piece.catch(() => {});
  return piece;
}

async function readPiece(source: BlockSource, range: BlockRange, done: number): Promise<Uint8Array> {
  const length = Math.min(CHUNK, range.length - done);
  if (length <= 0) return Buffer.alloc(0);
  const bytes = await source.read(range.offset + done, length);
  if (bytes.length === length) return bytes;
  throw new DeviceFault('source', `the image ends early, at byte ${range.offset + done + bytes.length}`);
}

/** Read back from the medium, and compare digests. @throws DeviceFault `mismatch` with the place */
export async function verifyRanges(
  device: BlockDevice,
  ranges: readonly BlockRange[],
  shift: number,
  options: WorkOptions & {
    /** Bytes that are not on the device yet, by their place on it. */
    readonly instead?: (bytes: Buffer, offset: number) => void;
  } = {},
): Promise<void> {
  for (const range of ranges) {
    const hash = createHash('sha256');
    for (let done = 0; done < range.length; ) {
      options.signal?.throwIfAborted();
      const length = Math.min(CHUNK, range.length - done);
      const offset = range.offset + shift + done;
      const padded = Math.ceil(length / device.sector) * device.sector;
      const bytes = (await device.read(offset, padded)).subarray(0, length);
      options.instead?.(bytes, offset);
      hash.update(bytes);
      done += length;
      options.onBytes?.(length);
    }
    if (hash.digest('hex') !== range.sha256) throw mismatch(device, range.offset + shift, range.length);
  }
}

/** Write bytes, and read them back. @throws DeviceFault `mismatch` */
export async function writeChecked(device: BlockDevice, bytes: Uint8Array, offset: number): Promise<void> {
  await device.write(bytes, offset);
  for (let done = 0; done < bytes.length; done += CHUNK) {
    const part = bytes.subarray(done, done + CHUNK);
    if (!(await device.read(offset + done, part.length)).equals(part)) {
      throw mismatch(device, offset + done, part.length);
    }
  }
}

function mismatch(device: BlockDevice, offset: number, length: number): DeviceFault {
  return new DeviceFault(
    'mismatch',
    `${device.path}: what is read back differs from what was written (in ${length} bytes at ${offset})`,
    { fix: 'the device is bad: take another one' },
  );
}

/** The last piece of an image may end within a sector. */
function wholeSectors(bytes: Uint8Array, sector: number): Uint8Array {
  const rest = bytes.length % sector;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(sector - rest)]);
}
