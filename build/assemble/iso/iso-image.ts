/**
 * The target iso: the live installer as a disc. Hybrid: written to a stick as it is, it starts from there too, by BIOS
 * and by UEFI.
 *
 * Source: xorriso's manual (xorrisofs(1)), and what grub-mkrescue(1) does with it.
 */
import * as path from 'node:path';
import { bothOrNeither } from '../../both-or-neither.ts';
import { files, run } from '../../host.ts';
import { bootChain, makeEsp } from '../disk/esp.ts';
import { type DiskIdentifiers, diskIdentifiers } from '../disk/identifiers.ts';
import { PARTITION_TYPES } from '../disk/partitions.ts';
import { GRUB_MENU, mediumFiles } from '../live/medium.ts';
import { share } from '../live/share.ts';
import { liveSquashfs } from '../live/squashfs.ts';
import { wholeImage } from '../segments.ts';
import type { AssembleOptions } from '../targets.ts';

const MIB = 1024 * 1024;

export async function assembleIso(file: string, options: AssembleOptions): Promise<void> {
  const { epoch, workFolder, signal } = options;
  const { disk } = discIdentifiers(options);
  const tree = path.join(workFolder, 'disc');
  try {
    const [squashfs, { placed, hybrid, esp }] = await bothOrNeither(
      signal,
      (both) => liveSquashfs({ ...options, signal: both, onProgress: share(options, 0, 0.8) }),
      (both) => placeFiles(tree, { ...options, signal: both }),
    );
    share(options, 0.8, 1)(1, 2);
    const all = [{ path: 'live/system.squashfs', source: squashfs }, ...placed];
    await run(
      isoArgv({
        file,
        label: discLabel(disk),
        disk,
        epoch,
        hybrid: hybrid.source,
        esp: esp.source,
        placed: all,
      }),
      { signal, env: { SOURCE_DATE_EPOCH: String(epoch) } },
    );
  } finally {
    await files.remove(tree);
  }
}

/** Others than those of the disk that is installed: both are in one machine. */
function discIdentifiers({ ids }: AssembleOptions): DiskIdentifiers {
  return diskIdentifiers(`${ids.disk}/disc`);
}

/** What is on the disc beside the squashfs, and what xorriso puts around its files. */
async function placeFiles(tree: string, options: AssembleOptions) {
  const { root, plan, epoch, workFolder, signal } = options;
  const ids = discIdentifiers(options);
  const label = discLabel(ids.disk);
  const placed: Placed[] = [];
  for (const { path: name, bytes } of await mediumFiles(options, `LABEL=${label}`)) {
    placed.push(await place(tree, name, bytes));
  }
  placed.push(await place(tree, CD_IMAGE, await root.read('/usr/lib/clusteros/boot/cd.img')));
  const hybrid = await place(tree, 'hybrid.img', await root.read('/usr/lib/grub/i386-pc/boot_hybrid.img'));
  const stub = `search --no-floppy --set=root --label ${label}\nconfigfile ($root)/${GRUB_MENU}\n`;
  const contents = await bootChain(options, stub);
  // GRUB takes the disc itself for the place that it was started from, where El Torito's image was.
  placed.push(await place(tree, `${plan.base.secureBoot.grubFolder}/grub.cfg`, Buffer.from(stub)));
  const size = 34 * MIB + Math.ceil(contents.reduce((sum, { bytes }) => sum + bytes.length, 0) / MIB) * MIB;
  const volume = await makeEsp(contents, { size, volume: ids.espVolume, epoch, workFolder, signal });
  return { placed, hybrid, esp: await place(tree, 'esp.img', await wholeImage(volume)) };
}

interface Placed {
  /** From the root of the disc. */
  readonly path: string;
  /** A file of ours. */
  readonly source: string;
}

async function place(tree: string, name: string, bytes: Uint8Array): Promise<Placed> {
  const source = path.join(tree, name.replaceAll('/', '_'));
  await files.makeFolder(tree);
  await files.writeScratch(source, [bytes]);
  return { path: name, source };
}

const CD_IMAGE = 'boot/grub/cd.img';

/** At most 16 characters, capitals and digits: every reader shows them as they are. */
export function discLabel(uuid: string): string {
  return `CLUSTEROS_${uuid.slice(-6).toUpperCase()}`;
}

interface IsoInput {
  readonly file: string;
  readonly label: string;
  readonly disk: string;
  readonly epoch: number;
  readonly hybrid: string;
  readonly esp: string;
  readonly placed: readonly Placed[];
}

/** Pure: a golden holds it. */
export function isoArgv({ file, label, disk, epoch, hybrid, esp, placed }: IsoInput): string[] {
  const date = new Date(epoch * 1000).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return [
    ...[
      'xorriso',
      '-as',
      'mkisofs',
      '-quiet',
      '-o',
      file,
      '-volid',
      label,
      '-iso-level',
      '3',
      '-rational-rock',
    ],
    ...[`--modification-date=${date}00`, '--set_all_file_dates', `${date}00`, '--gpt_disk_guid', disk],
    // BIOS: from a disc by El Torito, from a stick by the code in its first sector, which knows where cd.img is.
    ...['--grub2-mbr', hybrid, '-partition_offset', '16', '--mbr-force-bootable'],
    ...['-b', CD_IMAGE, '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '--grub2-boot-info'],
    // UEFI: the same bytes are El Torito's image and a partition.
    ...['-append_partition', '2', PARTITION_TYPES.esp, esp, '-appended_part_as_gpt'],
    ...['-eltorito-alt-boot', '-e', '--interval:appended_partition_2:all::', '-no-emul-boot'],
    // The order on the disc would follow from the numbers of our inodes otherwise.
    ...placed.flatMap(({ path: name }, index) => [
      '--sort-weight',
      String(placed.length - index),
      `/${name}`,
    ]),
    ...['-graft-points', ...placed.map(({ path: name, source }) => `/${name}=${source}`)],
  ];
}
