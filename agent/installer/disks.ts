/** What lsblk(8) and wipefs(8) say of the machine's disks, as values. Pure. */
import * as z from 'zod';
import type { DeviceIdentity } from './device.ts';

export interface Disk {
  /** `nvme0n1` */
  readonly name: string;
  readonly path: string;
  /** Other ways to the same disk, which the choice finds. */
  readonly otherPaths: readonly string[];
  /** Bytes. */
  readonly size: number;
  readonly logicalSector: number;
  readonly physicalSector: number;
  readonly model: string | undefined;
  readonly serial: string | undefined;
  readonly wwn: string | undefined;
  /** Which disk it is to the kernel; undefined when it was not opened to be looked at. */
  readonly identity?: DeviceIdentity | undefined;
  /** Major and minor number: `8:16`; undefined when lsblk does not say. */
  readonly number?: string | undefined;
  /** `nvme`, `sata`, `usb`, `virtio`, `mmc`; undefined when the kernel does not say. */
  readonly transport: string | undefined;
  /** It can be pulled out: a stick, a card in a reader, a disk on USB; not a soldered eMMC. */
  readonly removable: boolean;
  readonly readOnly: boolean;
  /** What uses it now: `mounted at /`, `swap`, `holds lvm vg0-root`. */
  readonly uses: readonly string[];
  /** What it holds, in words: `partition table gpt`, `sda1 ext4 "data"`, `LVM2_member`. Empty: nothing known. */
  readonly contents: readonly string[];
  /** Labels of the file systems on it. */
  readonly labels: readonly string[];
  /** Kernel names of it and of all that lies on it. */
  readonly members: readonly string[];
}

/** What is read from a disk itself. */
export interface Look {
  /** Kinds of signatures by wipefs, such as `gpt`, `LVM2_member`. */
  readonly signatures: readonly string[];
  /** Its first sector says that an installation of ours was not finished. */
  readonly unfinished: boolean;
  /** Bytes other than zeros at its start or end, though no signature is known. */
  readonly unknownData: boolean;
}

/** Disks one can install to; not zram, nbd, dm, md, optical drives, nor an eMMC's boot0, boot1 and rpmb. */
const DISK_NAME = /^([shv]d[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/;
const LOOP_NAME = /^loop\d+$/;

const text = z
  .string()
  .nullish()
  .transform((value) => value?.trim() || undefined);
const flag = z
  .union([z.boolean(), z.string()])
  .nullish()
  .transform((value) => value === true || value === '1');
const number = z
  .union([z.number(), z.string()])
  .nullish()
  .transform((value) => Number(value ?? 0));

const deviceSchema = z.object({
  name: z.string(),
  kname: text,
  'maj:min': text,
  path: text,
  type: text,
  size: number,
  'log-sec': number,
  'phy-sec': number,
  model: text,
  serial: text,
  wwn: text,
  tran: text,
  rm: flag,
  hotplug: flag,
  ro: flag,
  fstype: text,
  label: text,
  partlabel: text,
  mountpoint: text,
  mountpoints: z.array(z.string().nullable()).nullish(),
  get children() {
    return z.array(deviceSchema).nullish();
  },
});

type Device = z.infer<typeof deviceSchema>;

/**
 * @param output of `lsblk --json --bytes --output-all`; programs since util-linux 2.33 are understood
 * @param options.loops loop devices are disks too, for tests
 */
export function parseLsblk(output: string, options: { readonly loops?: boolean } = {}): Disk[] {
  const { blockdevices } = z.object({ blockdevices: z.array(deviceSchema) }).parse(JSON.parse(output));
  return blockdevices
    .filter(({ name, type, size }) => {
      if (size === 0) return false;
      return (type === 'disk' && DISK_NAME.test(name)) || (options.loops === true && LOOP_NAME.test(name));
    })
    .map((device) => diskOf(device, blockdevices))
    .sort((a, b) => a.path.localeCompare(b.path, 'en', { numeric: true }));
}

/** A disk with what was seen on it. */
export function withLook(disk: Disk, look: Look): Disk {
  if (look.unfinished) return { ...disk, contents: [] };
  const seen = look.signatures.filter((kind) => kind !== 'PMBR').map(signatureText);
  const unknown = look.unknownData && seen.length === 0 && disk.contents.length === 0 ? ['unknown data'] : [];
  return { ...disk, contents: [...new Set([...seen, ...disk.contents, ...unknown])] };
}

/** @param output of `wipefs --json --no-act DEVICE`; nothing at all when there is no signature */
export function parseWipefs(output: string): string[] {
  if (output.trim() === '') return [];
  const { signatures } = z
    .object({ signatures: z.array(z.object({ type: z.string() })) })
    .parse(JSON.parse(output));
  return [...new Set(signatures.map(({ type }) => type))];
}

function diskOf(device: Device, others: readonly Device[]): Disk {
  const below = (device.children ?? []).flatMap(withDescendants);
  const all = [device, ...below];
  const transport = device.tran ?? (device.name.startsWith('mmcblk') ? 'mmc' : transportByName(device.name));
  return {
    name: device.name,
    path: device.path ?? `/dev/${device.name}`,
    otherPaths: [],
    size: device.size,
    logicalSector: device['log-sec'] || 512,
    physicalSector: device['phy-sec'] || device['log-sec'] || 512,
    model: device.model,
    serial: device.serial,
    wwn: device.wwn,
    number: device['maj:min'],
    transport,
    removable: isRemovable(device, transport, others),
    readOnly: device.ro,
    uses: [...new Set(all.flatMap((it) => [...mountsOf(it), ...holderOf(it)]))],
    contents: [
      ...(device.fstype === undefined ? [] : [signatureText(device.fstype)]),
      ...below.filter(({ type }) => type === 'part').map(partitionText),
    ],
    labels: all.flatMap(({ label }) => label ?? []),
    members: all.map(({ name, kname }) => kname ?? name),
  };
}

/**
 * util-linux before 2.39 calls every eMMC hot-pluggable, and later ones no card in a reader of PCIe. An eMMC is soldered,
 * and only it has boot areas, which are disks of their own beside it.
 */
function isRemovable(device: Device, transport: string | undefined, others: readonly Device[]): boolean {
  if (device.name.startsWith('mmcblk')) return !others.some(({ name }) => name === `${device.name}boot0`);
  if (device.rm || transport === 'usb') return true;
  return device.hotplug && !BUILT_IN.includes(transport ?? '');
}

const BUILT_IN = ['nvme', 'sata', 'ata', 'sas', 'virtio', 'ufs'];

function withDescendants(device: Device): Device[] {
  return [device, ...(device.children ?? []).flatMap(withDescendants)];
}

function transportByName(name: string): string | undefined {
  if (name.startsWith('nvme')) return 'nvme';
  return name.startsWith('vd') || name.startsWith('xvd') ? 'virtio' : undefined;
}

function mountsOf({ name, mountpoint, mountpoints }: Device): string[] {
  const places = [...(mountpoints ?? []), mountpoint].filter((place) => place != null && place !== '');
  return [...new Set(places)].map((place) =>
    place === '[SWAP]' ? `${name} is used as swap` : `${name} is mounted at ${place}`,
  );
}

/** Volumes over it: encryption, LVM, RAID. */
function holderOf({ name, type }: Device): string[] {
  const over = type !== undefined && !['disk', 'part', 'loop', 'rom'].includes(type);
  return over ? [`${type} ${name} is on it`] : [];
}

function partitionText({ name, fstype, label, partlabel }: Device): string {
  const what = [fstype, label === undefined ? undefined : JSON.stringify(label)].filter(
    (it) => it !== undefined,
  );
  return `partition ${name} (${what.join(' ') || partlabel || 'unknown'})`;
}

const TABLES = ['gpt', 'dos', 'mac', 'sun', 'sgi', 'bsd', 'atari', 'amiga'];

function signatureText(kind: string): string {
  if (TABLES.includes(kind)) return `a partition table (${kind})`;
  if (kind === 'LVM2_member') return 'a volume of LVM (LVM2_member)';
  if (kind.endsWith('_raid_member')) return `a member of a RAID (${kind})`;
  return `a file system or volume (${kind})`;
}
