/** The partition table: GPT with a BIOS boot partition, an EFI system partition and the root, which is last and grows. */
import * as path from 'node:path';
import { files, run } from '../../host.ts';
import type { Segment } from '../segments.ts';
import type { DiskIdentifiers } from './identifiers.ts';

const MIB = 1024 * 1024;
const SECTOR = 512;

/** GUIDs of the partitions' types. */
export const PARTITION_TYPES = {
  biosBoot: '21686148-6449-6E6F-744E-656564454649',
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  // "Root partition (x86-64)" of the Discoverable Partitions Specification: systemd-repart grows it by its type.
  root: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  // What other systems give a letter or an icon to.
  basicData: 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7',
} as const;

/** Bytes from the start of the disk, and lengths in bytes. */
export interface DiskLayout {
  readonly size: number;
  readonly biosBoot: { readonly offset: number; readonly length: number };
  readonly esp: { readonly offset: number; readonly length: number };
  readonly root: { readonly offset: number; readonly length: number };
}

export function diskLayout(size: number): DiskLayout {
  const root = 66 * MIB;
  // The last MiB holds the backup of the table.
  return {
    size,
    biosBoot: { offset: MIB, length: MIB },
    esp: { offset: 2 * MIB, length: 64 * MIB },
    root: { offset: root, length: Math.floor((size - root - MIB) / MIB) * MIB },
  };
}

/** The script for sfdisk(8). */
function sfdiskScript(layout: DiskLayout, ids: DiskIdentifiers): string {
  const line = (part: { offset: number; length: number }, type: string, uuid: string, name: string) =>
    `start=${part.offset / SECTOR}, size=${part.length / SECTOR}, type=${type}, uuid=${uuid.toUpperCase()}, name="${name}"`;
  return [
    'label: gpt',
    `label-id: ${ids.disk.toUpperCase()}`,
    `first-lba: ${MIB / SECTOR}`,
    line(layout.biosBoot, PARTITION_TYPES.biosBoot, ids.biosBoot, 'bios-boot'),
    line(layout.esp, PARTITION_TYPES.esp, ids.esp, 'esp'),
    line(layout.root, PARTITION_TYPES.root, ids.root, 'root'),
    '',
  ].join('\n');
}

/** Both copies of the table, made by sfdisk on an empty file. */
export async function partitionTable(
  layout: DiskLayout,
  ids: DiskIdentifiers,
  workFolder: string,
  signal?: AbortSignal,
): Promise<Segment[]> {
  const file = path.join(workFolder, 'table.raw');
  const handle = await files.openFile(file, 'w');
  try {
    await handle.truncate(layout.size);
  } catch (cause) {
    // The size limit of the host's file system, for one: 16 TiB on ext4.
    throw files.storageError('file.unwritable', `cannot make ${file} with ${layout.size} bytes`, cause);
  } finally {
    await handle.close();
  }
  await run(['sfdisk', '--quiet', file], { input: sfdiskScript(layout, ids), signal });
  const table = await files.openFile(file, 'r');
  try {
    const read = async (offset: number, length: number): Promise<Segment> => {
      const source = Buffer.alloc(length);
      await table.read(source, 0, length, offset);
      return { offset, length, source };
    };
    return [await read(0, 34 * SECTOR), await read(layout.size - 33 * SECTOR, 33 * SECTOR)];
  } finally {
    await table.close();
    await files.remove(file);
  }
}
