/** Several paths to one disk: two cables to one array show one disk twice. Pure. */
import type { Disk } from './disks.ts';

/** Disks of these kinds have one path; what two of them say alike is a maker's carelessness. */
const ONE_PATH = ['usb', 'mmc', 'nvme', 'virtio'];

/** Each disk once, by its first path, with all other names that it has here. */
export function onePathEach(disks: readonly Disk[]): Disk[] {
  const found: Disk[] = [];
  for (const disk of disks) {
    const at = found.findIndex((other) => isSameDisk(other, disk));
    const first = found[at];
    if (first === undefined) found.push(disk);
    else
      found[at] = {
        ...first,
        otherPaths: [...first.otherPaths, disk.path],
        uses: [...new Set([...first.uses, ...disk.uses])],
        labels: [...new Set([...first.labels, ...disk.labels])],
        members: [...new Set([...first.members, ...disk.members])],
        readOnly: first.readOnly || disk.readOnly,
      };
  }
  return found;
}

/**
 * The same WWN, or the same serial where one of them has none. Both must be as large as each other, of one model, and
 * hold the same: what differs in anything is another disk.
 */
function isSameDisk(one: Disk, other: Disk): boolean {
  if (one.size !== other.size || one.model !== other.model) return false;
  // What is on a disk that is in use was not looked at.
  const looked = one.uses.length === 0 && other.uses.length === 0;
  if (looked && kindsOn(one) !== kindsOn(other)) return false;
  if (one.wwn !== undefined && other.wwn !== undefined) return one.wwn === other.wwn;
  if (one.serial === undefined || !isSerialOf(one, other.serial ?? '')) return false;
  return one.model !== undefined && !ONE_PATH.includes(one.transport ?? '');
}

/** Without the kernel's names, which differ. */
function kindsOn({ name, contents }: Disk): string {
  return contents.map((what) => what.replaceAll(name, '')).join();
}

/** Whether somebody who said this means the disk: by its serial, or by its WWN. */
export function isIdOf(disk: Pick<Disk, 'serial' | 'wwn'>, said: string): boolean {
  return (
    isSerialOf(disk, said) || (disk.wwn !== undefined && plain(disk.wwn) === plain(said).replace(/^wwn-/, ''))
  );
}

function isSerialOf({ serial }: Pick<Disk, 'serial'>, said: string): boolean {
  return serial !== undefined && plain(serial) === plain(said);
}

/** People type serials from labels, whose letters are large; lsblk often has them small. */
function plain(text: string): string {
  return text.trim().replace(/\s+/g, ' ').toLowerCase();
}
