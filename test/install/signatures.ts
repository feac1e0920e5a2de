/** What other systems leave on disks, as the bytes by which libblkid knows it: no root and no tools of theirs needed. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export interface Piece {
  /** Bytes from the start of the disk. */
  readonly offset: number;
  readonly bytes: Buffer;
}

const SECTOR = 512;
const LVM_CRC_START = 0xf597a6cf;

/** The label of a physical volume of LVM2 (lib/format_text/layout.h): in the second sector. */
export function lvmLabel(): Piece {
  const bytes = Buffer.alloc(SECTOR);
  bytes.write('LABELONE', 0, 'latin1');
  bytes.writeBigUInt64LE(1n, 8);
  bytes.writeUInt32LE(32, 20);
  bytes.write('LVM2 001', 24, 'latin1');
  bytes.write('Xc7sPa0Qb1Rd2Te3Uf4Vg5Wh6Yi7Zj8k', 32, 'latin1');
  // Their CRC is that of zlib without the two inversions.
  const crc = ~crc32(bytes.subarray(20), ~LVM_CRC_START >>> 0) >>> 0;
  bytes.writeUInt32LE(crc, 16);
  return { offset: SECTOR, bytes };
}

const RAID_BYTES = 256;

/** The superblock of one half of a mirror by Linux (md_p.h, version 1.2): 4096 bytes into the disk. */
export function raidMember(diskBytes: number): Piece {
  const bytes = Buffer.alloc(4096);
  const sectors = BigInt(Math.floor(diskBytes / SECTOR));
  bytes.writeUInt32LE(0xa92b4efc, 0);
  bytes.writeUInt32LE(1, 4);
  createHash('sha256').update('a mirror').digest().copy(bytes, 16, 0, 16);
  bytes.write('old:0', 32, 'latin1');
  bytes.writeUInt32LE(1, 72);
  bytes.writeBigUInt64LE(sectors - 2048n, 80);
  bytes.writeUInt32LE(2, 92);
  bytes.writeBigUInt64LE(2048n, 128);
  bytes.writeBigUInt64LE(sectors - 2048n, 136);
  bytes.writeBigUInt64LE(8n, 144);
  let sum = 0n;
  for (let at = 0; at < RAID_BYTES; at += 4) sum += BigInt(bytes.readUInt32LE(at));
  bytes.writeUInt32LE(Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn), 216);
  return { offset: 4096, bytes };
}
