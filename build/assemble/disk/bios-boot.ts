/**
 * GRUB for BIOS: boot.img in the first sector, core.img in the BIOS boot partition. What grub-bios-setup does,
 * without a device.
 *
 * Source: GRUB, grub-core/boot/i386/pc/{boot,diskboot}.S and include/grub/i386/pc/boot.h for the offsets;
 * util/setup.c for the values.
 */
import type { Segment } from '../segments.ts';
import type { DiskLayout } from './partitions.ts';

const SECTOR = 512;
/** Where boot.img is told the first sector of core.img (GRUB_BOOT_MACHINE_KERNEL_SECTOR). */
const KERNEL_SECTOR = 0x5c;
/** A jump that is taken when the BIOS passes no proper drive number (GRUB_BOOT_MACHINE_DRIVE_CHECK). */
const DRIVE_CHECK = 0x66;
/** Behind this boot.img has no code: the disk signature and the partition table. */
const CODE_END = 440;
/** In core.img's first sector: where its other sectors start (the last block list of diskboot.img). */
const BLOCK_LIST = SECTOR - 12;

/**
 * @param table the partition table's segments; the first one's first sector gets the code
 * @throws Error when core.img does not fit, or one of the two is not what it should be
 */
export function biosBoot(
  bootImage: Buffer,
  coreImage: Buffer,
  layout: Pick<DiskLayout, 'biosBoot'>,
  table: readonly Segment[],
): Segment[] {
  if (bootImage.length < SECTOR || bootImage.readUInt16LE(510) !== 0xaa55)
    throw new Error("boot.img is not GRUB's");
  if (coreImage.length > layout.biosBoot.length)
    throw new Error('core.img does not fit into the BIOS boot partition');
  const first = BigInt(layout.biosBoot.offset / SECTOR);
  const code = Buffer.from(bootImage.subarray(0, CODE_END));
  code.writeBigUInt64LE(first, KERNEL_SECTOR);
  code.writeUInt16LE(0x9090, DRIVE_CHECK);
  const core = Buffer.from(coreImage);
  core.writeBigUInt64LE(first + 1n, BLOCK_LIST);
  const withCode = table.map((segment) => {
    if (segment.offset !== 0 || !(segment.source instanceof Uint8Array)) return segment;
    const source = Buffer.from(segment.source);
    code.copy(source, 0);
    return { ...segment, source };
  });
  return [...withCode, { offset: layout.biosBoot.offset, length: core.length, source: core }];
}
