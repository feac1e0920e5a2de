/** The disks of this machine, by lsblk, wipefs and a look at their bytes. Used by the installer and by `flash`. */
import type { BlockDevice } from './device.ts';
import { type Disk, type Look, parseLsblk, parseWipefs, withLook } from './disks.ts';
import { isUnfinished } from './write.ts';

const MIB = 1024 * 1024;

/** What runs programs: the agent's gateway or the build's. */
export interface DiskPrograms {
  /** @returns stdout of a program that must succeed */
  readonly run: (argv: readonly [string, ...string[]]) => Promise<string>;
  readonly open: (disk: Disk) => Promise<BlockDevice>;
}

/** All disks, without a look at what is on them. */
export async function listDisks(
  { run }: Pick<DiskPrograms, 'run'>,
  options: { readonly loops?: boolean } = {},
): Promise<Disk[]> {
  return parseLsblk(await run(['lsblk', '--json', '--bytes', '--output-all']), options);
}

/** A disk with what it holds, read from the disk itself: udev may not have looked yet, or not at all. */
export async function lookAt(programs: DiskPrograms, disk: Disk): Promise<Disk> {
  const device = await programs.open(disk);
  try {
    return await lookAtOpened(programs, disk, device);
  } finally {
    await device.close();
  }
}

/** The same for a disk that is open, and stays so. While it is, its path leads to no other. */
export async function lookAtOpened(
  { run }: Pick<DiskPrograms, 'run'>,
  disk: Disk,
  device: BlockDevice,
): Promise<Disk> {
  const signatures = parseWipefs(await run(['wipefs', '--json', '--no-act', disk.path]));
  return {
    ...withLook(disk, { ...(await lookAtBytes(device)), signatures }),
    identity: device.identity,
  };
}

async function lookAtBytes(device: BlockDevice): Promise<Pick<Look, 'unfinished' | 'unknownData'>> {
  const { size, sector } = device;
  const start = Buffer.from(await device.read(0, Math.min(MIB, size)));
  const unfinished = start.length >= 4096 && isUnfinished(start);
  const end = Math.floor(Math.max(0, size - MIB) / sector) * sector;
  const last = await device.read(end, size - end - ((size - end) % sector));
  return { unfinished, unknownData: !isBlank(start) || !isBlank(last) };
}

/** Zeros, or the ones of erased flash. */
function isBlank(bytes: Buffer): boolean {
  const [first] = bytes;
  if (first !== 0 && first !== 0xff) return bytes.length === 0;
  return bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0;
}

/** The kernel names of the disks and partitions that these places lie on: where the installer runs from. */
export async function devicesBehind(
  { run }: Pick<DiskPrograms, 'run'>,
  sources: readonly string[],
): Promise<string[]> {
  const names = new Set<string>();
  for (const source of sources) {
    const listed = await run(['lsblk', '--json', '--inverse', '--output', 'KNAME,NAME', source]);
    for (const [, name = ''] of listed.matchAll(/"kname":\s*"([^"]+)"/g)) names.add(name);
  }
  return [...names];
}
