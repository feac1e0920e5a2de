/** What the installer writes, beside the root file system: see agent/installer/image-folder.ts, which reads it. */

import type { BlockMap } from '../../../agent/installer/block-map.ts';
import { INSTALL_FILE, type InstallFile } from '../../../agent/installer/image-folder.ts';
import { biosBoot } from '../disk/bios-boot.ts';
import { bootChain, makeEsp } from '../disk/esp.ts';
import { grubStub } from '../disk/grub-config.ts';
import { diskLayout, PARTITION_TYPES } from '../disk/partitions.ts';
import { inOrder } from '../segments.ts';
import type { AssembleOptions } from '../targets.ts';
import { mapImage } from './image-map.ts';
import { fatTables } from './tables.ts';

export const ROOT_FILE = 'root.ext4';

export interface InstallSource {
  /** Small files of the folder, in the order of their names. */
  readonly files: readonly { readonly name: string; readonly bytes: Buffer }[];
}

/** The table's place does not depend on the disk: any size will do. */
const SOME_DISK = 2 ** 33;
const CODE_END = 440;

/** The EFI system partition of the disk, for its two sizes of sectors. */
export interface EspVolumes {
  readonly esp: Buffer;
  readonly esp4096: Buffer;
}

export async function espVolumes(options: AssembleOptions): Promise<EspVolumes> {
  const { ids, epoch, workFolder, signal } = options;
  const contents = await bootChain(options, grubStub({ rootUuid: ids.rootFileSystem }));
  const size = diskLayout(SOME_DISK).esp.length;
  const common = { size, volume: ids.espVolume, epoch, workFolder, signal };
  return {
    esp: await makeEsp(contents, { ...common, sector: 512 }),
    esp4096: await makeEsp(contents, { ...common, sector: 4096 }),
  };
}

/** @param rootMap of the root file system, which lies beside it as {@link ROOT_FILE} */
export async function installSource(
  options: AssembleOptions,
  { esp, esp4096 }: EspVolumes,
  rootMap: BlockMap,
): Promise<InstallSource> {
  const { root, ids, plan } = options;
  const layout = diskLayout(SOME_DISK);
  const table = { offset: 0, length: 512, source: Buffer.alloc(512) };
  const [code, core] = biosBoot(
    await root.read('/usr/lib/grub/i386-pc/boot.img'),
    await root.read('/boot/grub/i386-pc/core.img'),
    layout,
    [table],
  );
  if (!(code?.source instanceof Uint8Array) || !(core?.source instanceof Uint8Array)) {
    throw new Error("GRUB's code is not in memory");
  }
  const coreFile = Buffer.from(core.source);
  const described: InstallFile = {
    version: 1,
    name: `Cluster-OS (${plan.name}, ${plan.base.name})`,
    uuid: ids.disk,
    bootCode: Buffer.from(code.source.subarray(0, CODE_END)).toString('base64'),
    partitions: [
      {
        name: 'bios-boot',
        type: PARTITION_TYPES.biosBoot,
        uuid: ids.biosBoot,
        ...layout.biosBoot,
        content: { file: 'core.img', map: await mapOf(coreFile, coreFile.length) },
      },
      {
        name: 'esp',
        type: PARTITION_TYPES.esp,
        uuid: ids.esp,
        ...layout.esp,
        content: { file: 'esp.img', map: await mapOf(esp, fatTables(esp).to) },
        content4096: { file: 'esp4096.img', map: await mapOf(esp4096, fatTables(esp4096).to) },
      },
      {
        name: 'root',
        type: PARTITION_TYPES.root,
        uuid: ids.root,
        offset: layout.root.offset,
        length: null,
        content: { file: ROOT_FILE, map: rootMap },
      },
    ],
  };
  return {
    files: [
      { name: 'core.img', bytes: coreFile },
      { name: 'esp.img', bytes: esp },
      { name: 'esp4096.img', bytes: esp4096 },
      { name: INSTALL_FILE, bytes: Buffer.from(`${JSON.stringify(described)}\n`) },
    ],
  };
}

/** @param to how many bytes of the start must be written whatever they are */
function mapOf(bytes: Buffer, to: number): Promise<BlockMap> {
  const image = inOrder(bytes.length, [{ offset: 0, length: bytes.length, source: bytes }]);
  return mapImage(image, [{ from: 0, to }], async () => {});
}
