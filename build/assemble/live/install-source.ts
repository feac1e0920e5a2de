/** What the installer writes, beside the root file system: see agent/installer/image-folder.ts, which reads it. */

import type { BlockMap } from '../../../agent/installer/block-map.ts';
import { INSTALL_FILE, type InstallFile } from '../../../agent/installer/image-folder.ts';
import { biosBoot } from '../disk/bios-boot.ts';
import { bootChain, makeEsp } from '../disk/esp.ts';
import { GRUB_STUB } from '../disk/grub-config.ts';
import { diskLayout, PARTITION_TYPES } from '../disk/partitions.ts';
import { type DiskImage, inOrder } from '../segments.ts';
import type { AssembleOptions } from '../targets.ts';
import { mapImage, type Stretch } from './image-map.ts';
import { fatTables } from './tables.ts';

export const ROOT_FILE = 'root.ext4';

/** A file of the folder. */
interface InstallPart {
  readonly name: string;
  readonly content: Uint8Array | SparseContent;
}

/** A volume that is zeros for the most part. */
interface SparseContent {
  readonly image: DiskImage;
  /** What is written although it holds only zeros. */
  readonly zeros: readonly Stretch[];
  readonly map: BlockMap;
}

/** The table's place does not depend on the disk: any size will do. */
const SOME_DISK = 2 ** 33;
const CODE_END = 440;

/** The EFI system partition of the disk, for its two sizes of sectors. */
interface EspVolumes {
  readonly esp: SparseContent;
  readonly esp4096: SparseContent;
}

export async function espVolumes(options: AssembleOptions): Promise<EspVolumes> {
  const { ids, epoch, workFolder, signal } = options;
  const contents = await bootChain(options, GRUB_STUB);
  const size = diskLayout(SOME_DISK).esp.length;
  const common = { size, volume: ids.espVolume, epoch, workFolder, signal };
  const volume = async (sector: 512 | 4096) => mapped(await makeEsp(contents, { ...common, sector }));
  return { esp: await volume(512), esp4096: await volume(4096) };
}

async function mapped(image: DiskImage): Promise<SparseContent> {
  const zeros = [fatTables(image)];
  return { image, zeros, map: await mapImage(image, zeros, async () => {}) };
}

/**
 * What lies beside the root file system, in the order of the names.
 *
 * @param rootMap of {@link ROOT_FILE}
 */
export async function installSource(
  options: AssembleOptions,
  { esp, esp4096 }: EspVolumes,
  rootMap: BlockMap,
): Promise<InstallPart[]> {
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
        content: { file: 'core.img', map: await mapOfAll(coreFile) },
      },
      {
        name: 'esp',
        type: PARTITION_TYPES.esp,
        uuid: ids.esp,
        ...layout.esp,
        content: { file: 'esp.img', map: esp.map },
        content4096: { file: 'esp4096.img', map: esp4096.map },
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
  return [
    { name: 'core.img', content: coreFile },
    { name: 'esp.img', content: esp },
    { name: 'esp4096.img', content: esp4096 },
    { name: INSTALL_FILE, content: Buffer.from(`${JSON.stringify(described)}\n`) },
  ];
}

function mapOfAll(bytes: Buffer): Promise<BlockMap> {
  const image = inOrder(bytes.length, [{ offset: 0, length: bytes.length, source: bytes }]);
  return mapImage(image, [{ from: 0, to: bytes.length }], async () => {});
}
