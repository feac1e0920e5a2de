import * as fs from 'node:fs/promises';
import * as path from 'node:path';

/** What tells this machine and the disk of a folder from others; absent where the kernel does not say. */
export interface MachineIds {
  /** The mainboard's, or the virtual machine's. See sysfs-firmware-dmi in the kernel's ABI. */
  readonly board?: string | undefined;
  /** Serial of the disk. */
  readonly disk?: string | undefined;
}

const BOARD = '/sys/class/dmi/id/product_uuid';
/** Left by systemd, Docker and Podman. A container moves between machines, and its host's ids are not its own. */
const IN_CONTAINER = ['/run/systemd/container', '/.dockerenv', '/run/.containerenv'];
/** Of SCSI and SATA, of NVMe and eMMC, of virtio: the first one that a disk has, also on newer kernels. See sysfs-block. */
const SERIALS = ['device/wwid', 'device/serial', 'serial'];

/** Never throws. */
export async function machineIds(folder: string): Promise<MachineIds> {
  const marks = await Promise.all(IN_CONTAINER.map((file) => told(fs.stat(file))));
  if (marks.some((mark) => mark !== undefined)) return {};
  return { board: await textOf(BOARD), disk: await serialOf(folder) };
}

async function serialOf(folder: string): Promise<string | undefined> {
  const dev = (await told(fs.stat(folder)))?.dev;
  if (dev === undefined) return undefined;
  // makedev(3)
  const device = `/sys/dev/block/${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`;
  const real = await told(fs.realpath(device));
  if (real === undefined) return undefined;
  for (const place of [real, path.dirname(real)]) {
    for (const name of SERIALS) {
      const text = await textOf(path.join(place, name));
      if (text !== undefined) return text;
    }
  }
  return undefined;
}

async function textOf(file: string): Promise<string | undefined> {
  return (await told(fs.readFile(file, 'utf8')))?.trim() || undefined;
}

/** Whatever keeps the kernel from telling it, it is not known. */
function told<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch(() => undefined);
}
