/** The EFI system partition: shim, the signed GRUB, and a few lines that lead it on. */
import type { Plan } from '../../definition/plan.ts';
import type { RootTree } from '../root-tree.ts';
import type { DiskImage } from '../segments.ts';
import { type FatFile, type FatOptions, makeFat } from './fat.ts';

export type EspFile = FatFile;

/**
 * The signed chain at the removable-media path, which every firmware tries, and the stub where the signed GRUB looks
 * for it.
 */
export async function bootChain(
  { root, plan }: { readonly root: RootTree; readonly plan: Plan },
  stub: string,
): Promise<EspFile[]> {
  const { shim, mokManager, grub, grubFolder } = plan.base.secureBoot;
  return [
    { path: 'EFI/BOOT/BOOTX64.EFI', bytes: await root.read(shim) },
    { path: 'EFI/BOOT/mmx64.efi', bytes: await root.read(mokManager) },
    { path: 'EFI/BOOT/grubx64.efi', bytes: await root.read(grub) },
    { path: `${grubFolder}/grub.cfg`, bytes: Buffer.from(stub) },
  ];
}

/**
 * A FAT32 file system with these files. For sectors of 4096 bytes it is a FAT16: of a FAT32 of that size, firmware
 * that counts clusters would say that it is none.
 *
 * @returns the same bytes for the same input
 */
export function makeEsp(
  contents: readonly EspFile[],
  options: Omit<FatOptions, 'label' | 'kind'>,
): Promise<DiskImage> {
  const form = options.sector === 4096 ? ({ kind: 16, cluster: 1 } as const) : ({ kind: 32 } as const);
  return makeFat(contents, { ...options, ...form, label: 'ESP' });
}
