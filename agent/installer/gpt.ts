/**
 * A GPT for any disk: 512 or 4096 bytes a sector, of any size. The build makes its tables with sfdisk for an image
 * of a known size; the installer meets the disk at the end.
 *
 * Source: UEFI specification 2.10, section 5.3 (header, entries) and 5.2.3 (protective MBR).
 */

/** Loaded when it is needed, as HTTP in host/http-modules.ts: only the installer compresses or sums. */
const crc32 = (bytes: Uint8Array) => process.getBuiltinModule('node:zlib').crc32(bytes);

export interface Partition {
  readonly name: string;
  /** GUIDs, as text. */
  readonly type: string;
  readonly uuid: string;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  readonly length: number;
}

interface Table {
  /** Protective MBR, header, entries: the start of the disk. Without boot code. */
  readonly primary: Buffer;
  readonly backup: { readonly offset: number; readonly bytes: Buffer };
}

const ENTRY = 128;
const ENTRIES = 128;
const HEADER = 92;
const MIB = 1024 * 1024;

/** Bytes at the end of a disk that the backup takes, rounded to what we keep free. */
export const BACKUP_ROOM = MIB;

/** @throws Error when a partition does not fit or overlaps another: a fault of ours */
export function makeTable(
  disk: { readonly size: number; readonly sector: number; readonly uuid: string },
  partitions: readonly Partition[],
): Table {
  const { sector } = disk;
  const last = Math.floor(disk.size / sector) - 1;
  const entrySectors = (ENTRY * ENTRIES) / sector;
  const firstUsable = MIB / sector;
  const lastUsable = last - entrySectors - 1;
  const entries = Buffer.alloc(ENTRY * ENTRIES);
  let end = firstUsable;
  partitions.forEach((partition, index) => {
    const first = partition.offset / sector;
    const final = first + partition.length / sector - 1;
    if (![first, final].every(Number.isInteger) || first < end || final < first || final > lastUsable) {
      throw new Error(`the partition ${partition.name} does not fit: sectors ${first} to ${final}`);
    }
    end = final + 1;
    const entry = entries.subarray(index * ENTRY, (index + 1) * ENTRY);
    guid(partition.type).copy(entry, 0);
    guid(partition.uuid).copy(entry, 16);
    entry.writeBigUInt64LE(BigInt(first), 32);
    entry.writeBigUInt64LE(BigInt(final), 40);
    entry.write(partition.name, 56, 72, 'utf16le');
  });
  const header = (own: number, other: number, entriesAt: number): Buffer => {
    const bytes = Buffer.alloc(sector);
    bytes.write('EFI PART', 0, 'latin1');
    bytes.writeUInt32LE(0x0001_0000, 8);
    bytes.writeUInt32LE(HEADER, 12);
    bytes.writeBigUInt64LE(BigInt(own), 24);
    bytes.writeBigUInt64LE(BigInt(other), 32);
    bytes.writeBigUInt64LE(BigInt(firstUsable), 40);
    bytes.writeBigUInt64LE(BigInt(lastUsable), 48);
    guid(disk.uuid).copy(bytes, 56);
    bytes.writeBigUInt64LE(BigInt(entriesAt), 72);
    bytes.writeUInt32LE(ENTRIES, 80);
    bytes.writeUInt32LE(ENTRY, 84);
    bytes.writeUInt32LE(crc32(entries), 88);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER)), 16);
    return bytes;
  };
  const backupEntries = last - entrySectors;
  return {
    primary: Buffer.concat([protectiveMbr(last, sector), header(1, last, 2), entries]),
    backup: {
      offset: backupEntries * sector,
      bytes: Buffer.concat([entries, header(last, 1, backupEntries)]),
    },
  };
}

/** The partitions of a table at the start of a disk or image; undefined when there is no sound one. */
export function readTable(start: Buffer, sector: number): Partition[] | undefined {
  const header = start.subarray(sector, 2 * sector);
  if (header.length < HEADER || header.toString('latin1', 0, 8) !== 'EFI PART') return undefined;
  const copy = Buffer.from(header.subarray(0, HEADER));
  copy.writeUInt32LE(0, 16);
  const [count, size] = [header.readUInt32LE(80), header.readUInt32LE(84)];
  const at = Number(header.readBigUInt64LE(72)) * sector;
  const entries = start.subarray(at, at + count * size);
  if (size < ENTRY || entries.length !== count * size) return undefined;
  if (crc32(copy) !== header.readUInt32LE(16) || crc32(entries) !== header.readUInt32LE(88)) return undefined;
  const found: Partition[] = [];
  for (let index = 0; index < count; index++) {
    const entry = entries.subarray(index * size, (index + 1) * size);
    const type = guidText(entry.subarray(0, 16));
    if (/^[0-]+$/.test(type)) continue;
    const first = Number(entry.readBigUInt64LE(32));
    const final = Number(entry.readBigUInt64LE(40));
    found.push({
      name: entry.toString('utf16le', 56, 128).replace(/\0.*$/s, ''),
      type,
      uuid: guidText(entry.subarray(16, 32)),
      offset: first * sector,
      length: (final - first + 1) * sector,
    });
  }
  return found;
}

/** Does the first sector say that a GPT follows? Without it, firmware and kernel do not look for one. */
export function hasProtectiveMbr(start: Buffer): boolean {
  return start.readUInt16LE(510) === 0xaa55 && start[450] === 0xee;
}

function protectiveMbr(last: number, sector: number): Buffer {
  const bytes = Buffer.alloc(sector);
  bytes.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], 446);
  bytes.writeUInt32LE(1, 454);
  bytes.writeUInt32LE(Math.min(last, 0xffff_ffff), 458);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

/** The first three fields of a GUID are little-endian. */
function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) throw new Error(`${text} is no GUID`);
  return swapped(bytes);
}

function guidText(bytes: Buffer): string {
  const hex = swapped(Buffer.from(bytes)).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function swapped(bytes: Buffer): Buffer {
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
