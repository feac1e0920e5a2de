/**
 * Writes an image to a device and reads it back. The first 4096 bytes, which hold the partition table's beginning,
 * are written last: a stick that was pulled out in the middle has no table and starts nothing.
 */
import { mappedBytes } from '../../agent/installer/block-map.ts';
import { type BlockDevice, DeviceFault } from '../../agent/installer/device.ts';
import { readTable } from '../../agent/installer/gpt.ts';
import { bytesText } from '../../agent/installer/progress.ts';
import { verifyRanges, writeChecked, writeRanges } from '../../agent/installer/ranges.ts';
import type { FlashSource } from './source.ts';

const MIB = 1024 * 1024;
const HEAD = 4096;

type FlashPhase = 'writing' | 'reading back';

export interface FlashOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onPhase?: (phase: FlashPhase, bytes: number) => void;
  readonly onBytes?: (count: number) => void;
  /** Changes the image on the device before its first bytes are written; gets these. */
  readonly amend?: ((device: BlockDevice, start: Buffer) => Promise<void>) | undefined;
}

/** @returns bytes written @throws DeviceFault */
export async function flash(
  device: BlockDevice,
  source: FlashSource,
  options: FlashOptions = {},
): Promise<number> {
  const { map } = source;
  if (map.size > device.size) {
    throw new DeviceFault(
      'too-small',
      `${device.path} is too small: it has ${bytesText(device.size)}, and the image needs ${bytesText(map.size)}`,
      { fix: 'take a larger one' },
    );
  }
  const total = mappedBytes(map);
  await device.write(Buffer.alloc(HEAD), 0);
  await device.sync();
  // What an earlier use left at the end, such as the backup of a table or a RAID's mark, would be found there.
  const end = Math.max(Math.ceil(map.size / HEAD) * HEAD, Math.floor((device.size - MIB) / HEAD) * HEAD);
  await device.write(Buffer.alloc(Math.max(0, device.size - end)), end);

  options.onPhase?.('writing', total);
  const start = Buffer.alloc(MIB);
  await writeRanges(device, source, 0, {
    signal: options.signal,
    onBytes: options.onBytes,
    holdBack: HEAD,
    onPiece: (bytes, offset) => {
      if (offset < MIB) start.set(bytes.subarray(0, MIB - offset), offset);
      if (offset === 0) refuseOtherSectors(device, start);
    },
  });
  await device.sync();

  options.onPhase?.('reading back', total);
  const head = start.subarray(0, HEAD);
  await verifyRanges(device, map.ranges, 0, {
    signal: options.signal,
    onBytes: options.onBytes,
    instead: (bytes, offset) => {
      if (offset < HEAD) bytes.set(head.subarray(offset, offset + bytes.length), 0);
    },
  });
  await options.amend?.(device, start);
  options.signal?.throwIfAborted();
  await writeChecked(device, start.subarray(0, HEAD), 0);
  await device.sync();
  return total;
}

/** A table counts in sectors: that of an image for 512 bytes is none on a device with 4096. */
function refuseOtherSectors(device: BlockDevice, start: Buffer): void {
  const other = device.sector === 512 ? 4096 : 512;
  if (readTable(start, device.sector) !== undefined || readTable(start, other) === undefined) return;
  throw new DeviceFault(
    'source',
    `${device.path} has sectors of ${device.sector} bytes, and the image's partition table is for ${other}`,
    { fix: 'take another device' },
  );
}
