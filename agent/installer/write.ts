/**
 * Writes an installed system to a disk so that a power cut at any moment leaves either no bootable system or a
 * whole one.
 *
 * One sector decides. The first thing written is a mark in sector 0, where neither firmware nor kernel then finds
 * a table; it also says to the next start that this disk is ours to begin again. Everything else follows, is read
 * back and flushed: contents, seed, backup table, entries, header. The last write replaces the mark by the
 * protective MBR. It covers 4096 bytes, the largest physical sector, of which all but sector 0 are on the disk
 * already: however it is torn, the mark or the MBR is there, and the rest the same.
 */
import { type BlockMap, type BlockSource, mappedBytes } from './block-map.ts';
import { type BlockDevice, DeviceFault } from './device.ts';
import { BACKUP_ROOM, makeTable, type Partition } from './gpt.ts';
import { bytesText } from './progress.ts';
import { verifyRanges, type WorkOptions, writeChecked, writeRanges } from './ranges.ts';

const MIB = 1024 * 1024;
const COMMIT = 4096;

interface ImagePartition extends Omit<Partition, 'length'> {
  /** Bytes; undefined: all that is left. */
  readonly length: number | undefined;
  readonly content: BlockSource;
}

/** What is installed. */
export interface InstallImage {
  readonly name: string;
  /** GUID of the disk. */
  readonly uuid: string;
  /** 440 bytes of sector 0, for BIOS; they know where the rest of the boot loader is in sectors of 512. */
  readonly bootCode: Uint8Array | undefined;
  readonly partitions: readonly ImagePartition[];
}

export type Phase = 'prepare' | 'write' | 'verify' | 'finish';

interface PhaseOptions extends WorkOptions {
  readonly onPhase?: (phase: Phase, bytes: number) => void;
}

/** The partitions on a disk of this size. @throws DeviceFault `too-small` */
export function placeOn(image: InstallImage, disk: { size: number; path: string }): Partition[] {
  const end = Math.floor((disk.size - BACKUP_ROOM) / MIB) * MIB;
  return image.partitions.map(({ name, type, uuid, offset, length = end - offset, content }) => {
    if (offset + length > end || length < content.map.size) {
      const need = offset + Math.max(length, content.map.size) + BACKUP_ROOM;
      throw new DeviceFault(
        'too-small',
        `${disk.path} is too small: ${bytesText(disk.size)}, and ${bytesText(need)} are needed`,
        { fix: 'take a larger disk' },
      );
    }
    return { name, type, uuid, offset, length };
  });
}

/** Until the contents are on the disk and read back. The disk is not bootable afterwards: {@link finish} it. */
export async function writeContents(
  device: BlockDevice,
  image: InstallImage,
  options: PhaseOptions = {},
): Promise<void> {
  const partitions = placeOn(image, device);
  const total = image.partitions.reduce((sum, { content }) => sum + mappedBytes(content.map), 0);
  options.onPhase?.('prepare', 0);
  await writeChecked(device, unfinishedMark(), 0);
  await device.sync();
  // Old signatures would come to light in the new partitions: superblocks of btrfs, ZFS labels, RAID at the end.
  const places = [
    { from: COMMIT, to: MIB },
    ...partitions.flatMap(({ offset, length }) => [
      { from: offset, to: offset + Math.min(length, MIB) },
      { from: offset + length - Math.min(length, MIB), to: offset + length },
    ]),
    { from: lastPlace(device), to: device.size },
  ];
  for (const { from, to } of places) {
    options.signal?.throwIfAborted();
    await device.write(Buffer.alloc(to - from), from);
  }
  options.onPhase?.('write', total);
  for (const { offset, content } of image.partitions) await writeRanges(device, content, offset, options);
  await device.sync();
  options.onPhase?.('verify', total);
  for (const { offset, content } of image.partitions) {
    await verifyRanges(device, content.map.ranges, offset, options);
  }
}

/** The table, read back and flushed, and then the sector that makes the disk a whole one. */
export async function finish(
  device: BlockDevice,
  image: InstallImage,
  options: PhaseOptions = {},
): Promise<void> {
  options.onPhase?.('finish', 0);
  const { primary, backup } = makeTable({ ...device, uuid: image.uuid }, placeOn(image, device));
  // GRUB's code for BIOS counts sectors of 512 bytes, and no BIOS starts from larger ones.
  if (image.bootCode !== undefined && device.sector === 512) primary.set(image.bootCode.subarray(0, 440), 0);
  const start = padded(primary);
  await writeChecked(device, backup.bytes, backup.offset);
  const withMark = Buffer.from(start);
  unfinishedMark().copy(withMark, 0, 0, device.sector);
  await writeChecked(device, withMark.subarray(device.sector), device.sector);
  await device.sync();
  await writeChecked(device, start.subarray(0, COMMIT), 0);
  await device.sync();
}

const MARK = 'Cluster-OS: installing to this disk was begun and not finished.\n';

/** 4096 bytes without the signature that firmware looks for. */
export function unfinishedMark(): Buffer {
  const bytes = Buffer.alloc(COMMIT);
  bytes.write(MARK, 0, 'latin1');
  return bytes;
}

/** @param start the first bytes of a disk */
export function isUnfinished(start: Buffer): boolean {
  return start.toString('latin1', 0, MARK.length) === MARK;
}

/** The last MiB, from a whole sector on; a disk's size need not be a multiple of more than a sector. */
function lastPlace({ size, sector }: BlockDevice): number {
  return Math.floor((size - MIB) / sector) * sector;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((COMMIT - (bytes.length % COMMIT)) % COMMIT)]);
}

/** For what is announced before it begins. */
export function imageBytes(image: {
  readonly partitions: readonly { content: { map: BlockMap } }[];
}): number {
  return image.partitions.reduce((sum, { content }) => sum + mappedBytes(content.map), 0);
}
