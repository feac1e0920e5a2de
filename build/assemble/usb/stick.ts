/** A stick as segments: partition table, both boot chains, the seed's partition, the squashfs. */
import { makeTable, type Partition } from '../../../agent/installer/gpt.ts';
import { sampleFiles } from '../../../firstboot/sample.ts';
import { SEED_LABEL } from '../../../firstboot/seed.ts';
import type { files } from '../../host.ts';
import { biosBoot } from '../disk/bios-boot.ts';
import { bootChain, makeEsp } from '../disk/esp.ts';
import { makeFat } from '../disk/fat.ts';
import { type DiskIdentifiers, diskIdentifiers } from '../disk/identifiers.ts';
import { PARTITION_TYPES } from '../disk/partitions.ts';
import type { Stretch } from '../live/image-map.ts';
import { GRUB_MENU, mediumFiles } from '../live/medium.ts';
import { fatTables } from '../live/tables.ts';
import { type DiskImage, inOrder, shift } from '../segments.ts';
import type { AssembleOptions } from '../targets.ts';

const MIB = 1024 * 1024;
const SECTOR = 512;
/** The smallest FAT32 with clusters of 4096 bytes; kernel and initramfs take a third of it. */
const ESP_SIZE = 264 * MIB;
const ESP_CLUSTER = 8;
/** What people put there is small; old systems do not take a FAT16 smaller than this for one. */
const SEED_SIZE = 64 * MIB;
/** With its end at whole ones, partitions stay where they are from build to build. Zeros are not written. */
const LIVE_STEP = 1024 * MIB;

export interface Stick {
  readonly image: DiskImage;
  /** What must be written although it holds only zeros. */
  readonly zeros: readonly Stretch[];
}

/** The two volumes of a stick that are made file by file. */
interface StickVolumes {
  readonly esp: DiskImage;
  readonly seed: DiskImage;
}

export async function stickVolumes(options: AssembleOptions): Promise<StickVolumes> {
  const { epoch, plan, workFolder, signal } = options;
  const ids = stickIdentifiers(options.ids);
  const contents = [
    // GRUB's root is this partition, however it was started.
    ...(await bootChain(options, `configfile ($root)/${GRUB_MENU}\n`)),
    ...(await mediumFiles(options, `PARTUUID=${ids.root}`)),
  ];
  const common = { epoch, workFolder, signal };
  const esp = await makeEsp(contents, {
    ...common,
    size: ESP_SIZE,
    cluster: ESP_CLUSTER,
    volume: ids.espVolume,
  });
  const seed = await makeFat(
    sampleFiles(plan.name).map(({ path, text }) => ({ path, bytes: Buffer.from(text) })),
    { ...common, size: SEED_SIZE, label: SEED_LABEL, kind: 16, volume: seedVolume(ids) },
  );
  return { esp, seed };
}

/** @param squashfs open while the result is used */
export async function stickImage(
  { root, ids: installed }: AssembleOptions,
  { esp, seed }: StickVolumes,
  squashfs: { readonly handle: files.FileHandle; readonly size: number },
): Promise<Stick> {
  const ids = stickIdentifiers(installed);
  const layout = stickLayout(ids, squashfs.size);
  const [biosPart, espPart, seedPart, livePart] = layout.partitions;
  const table = makeTable({ size: layout.size, sector: SECTOR, uuid: ids.disk }, layout.partitions);
  const boot = biosBoot(
    await root.read('/usr/lib/grub/i386-pc/boot.img'),
    await root.read('/usr/lib/clusteros/boot/usb.img'),
    { biosBoot: biosPart },
    [{ offset: 0, length: table.primary.length, source: table.primary }],
  );
  const image = inOrder(layout.size, [
    ...boot,
    ...shift(esp.segments, espPart.offset),
    ...shift(seed.segments, seedPart.offset),
    { offset: livePart.offset, length: squashfs.size, source: { handle: squashfs.handle, position: 0 } },
    { offset: table.backup.offset, length: table.backup.bytes.length, source: table.backup.bytes },
  ]);
  return { image, zeros: [tablesAt(esp, espPart.offset), tablesAt(seed, seedPart.offset)] };
}

/** The second partition is where GRUB for BIOS looks: see build/rootfs/hooks/customize. */
function stickLayout(
  ids: DiskIdentifiers,
  squashfs: number,
): { readonly size: number; readonly partitions: [Partition, Partition, Partition, Partition] } {
  const seedAt = 2 * MIB + ESP_SIZE;
  const liveAt = seedAt + SEED_SIZE;
  const liveLength = upTo(squashfs, LIVE_STEP);
  const { biosBoot: bios, linux, basicData, esp } = PARTITION_TYPES;
  return {
    // The last MiB holds the backup of the table.
    size: liveAt + liveLength + MIB,
    partitions: [
      { name: 'bios-boot', type: bios, uuid: ids.biosBoot, offset: MIB, length: MIB },
      { name: 'esp', type: esp, uuid: ids.esp, offset: 2 * MIB, length: ESP_SIZE },
      { name: 'seed', type: basicData, uuid: ids.rootFileSystem, offset: seedAt, length: SEED_SIZE },
      { name: 'live', type: linux, uuid: ids.root, offset: liveAt, length: liveLength },
    ],
  };
}

/** Others than those of the disk that is installed: both are in one machine. */
function stickIdentifiers(installed: DiskIdentifiers): DiskIdentifiers {
  return diskIdentifiers(`${installed.disk}/stick`);
}

function seedVolume(ids: DiskIdentifiers): string {
  return ids.disk.slice(0, 8);
}

function tablesAt(volume: DiskImage, offset: number): Stretch {
  const { from, to } = fatTables(volume);
  return { from: from + offset, to: to + offset };
}

function upTo(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
