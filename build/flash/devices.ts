/** Which devices may be flashed, and why the others may not. Pure. */
import type { Disk } from '../../agent/installer/disks.ts';
import { bytesText } from '../../agent/installer/progress.ts';
import { isIdOf } from '../../agent/installer/same-disk.ts';
import { OperatorError } from '../errors.ts';
import { pasteable } from '../host.ts';

export interface FlashRules {
  /** The serial of a device that may be flashed though it is not removable. */
  readonly forceSerial?: string | undefined;
  readonly allowLoop?: boolean | undefined;
  /** The serial of a device that may lose what it holds; its path, where it tells none. */
  readonly wipe?: string | undefined;
  /** For scripts: no question, and so an empty device only. */
  readonly yes?: boolean | undefined;
}

/** Above this it is somebody's disk rather than a stick for an image. */
const SMALL = 128e9;

/** What a device would lose. A loop device of a test is full of bytes that mean nothing. */
export function losses(disk: Disk): readonly string[] {
  const loop = disk.name.startsWith('loop');
  return disk.contents.filter((what) => !(loop && what === 'unknown data'));
}

/** What has to be typed before a device loses its data. */
export function wipeWord(disk: Disk): string {
  return disk.serial ?? disk.path;
}

/** As the installer takes a serial: from a label, whose letters are large, or from lsblk. */
function isWordFor(disk: Disk, said: string | undefined): boolean {
  if (said === undefined) return false;
  return disk.serial === undefined ? [disk.path, disk.name].includes(said) : isIdOf(disk, said);
}

const wipeFlag = (disk: Disk) => pasteable(['--wipe', wipeWord(disk)]);

/** Which device the list proposes: an empty one before a small one, the smallest first; never a large one with data. */
export function proposed(usable: readonly Disk[]): Disk | undefined {
  const [first] = usable
    .filter((disk) => losses(disk).length === 0 || disk.size <= SMALL)
    .sort((a, b) => Math.sign(losses(a).length) - Math.sign(losses(b).length) || a.size - b.size);
  return first;
}

/** @throws OperatorError `flash.data` for a device with data whose wiping nobody allowed */
export function assertMayWipe(disk: Disk, { wipe, yes }: FlashRules): void {
  const lost = losses(disk);
  if (lost.length === 0 || isWordFor(disk, wipe)) return;
  const wrong =
    wipe === undefined ? '' : `; --wipe ${wipe} is not its ${disk.serial === undefined ? 'path' : 'serial'}`;
  throw new OperatorError({
    code: 'flash.data',
    message: `${disk.path} is not flashed: it holds ${lost.join(', ')}${yes ? '; --yes is for an empty device' : wrong}`,
    evidence: deviceTable([disk], {}),
    fix: `if all of it may go: ${wipeFlag(disk)}`,
  });
}

const NO_DISK: Readonly<Record<string, string>> = {
  nothing: ': there is no such device',
  block: ': it is a volume, a loop device, a drive of discs or memory',
  file: ': it is a file',
};

const SYSTEM = 'this system runs from it';

/** Why a device is not flashed; empty when it may be. What is in use is never flashed, forced or not. */
export function refusals(disk: Disk, { forceSerial, allowLoop }: FlashRules): string[] {
  const forced = forceSerial !== undefined && isIdOf(disk, forceSerial);
  const loop = allowLoop === true && disk.name.startsWith('loop');
  const system = disk.uses.some((use) =>
    / is mounted at (\/|\/boot.*|\/usr|\/var|\/home)$| as swap$/.test(use),
  );
  return [
    ...(system ? [SYSTEM] : []),
    ...disk.uses,
    ...(disk.readOnly ? ['it is read-only (a write-protect switch?)'] : []),
    ...(disk.removable || forced || loop
      ? []
      : [`it is not removable (${disk.transport ?? 'a built-in disk'})`]),
  ];
}

/**
 * @param kind what stands at the device's path
 * @throws OperatorError `flash.refused`, `flash.device`
 */
export function assertFlashable(
  disks: readonly Disk[],
  device: string,
  rules: FlashRules,
  kind: string = 'block',
): Disk {
  const disk = disks.find(({ path }) => path === device);
  if (disk === undefined) {
    const owner = disks.find(({ members }) => members.includes(device.replace(/^\/dev\//, '')));
    throw new OperatorError({
      code: 'flash.device',
      message:
        owner === undefined
          ? `${device} is no disk of this machine${NO_DISK[kind] ?? ''}`
          : `${device} is a part of ${owner.path}; a whole device is flashed`,
      evidence: deviceTable(disks, rules),
      fix:
        owner !== undefined
          ? `name ${owner.path}`
          : /^\/dev\/loop\d/.test(device) && rules.allowLoop !== true
            ? 'if it is the right one: --allow-loop'
            : kind === 'file'
              ? 'the device comes first, then the image: flash DEVICE IMAGE'
              : 'name one of these',
    });
  }
  const reasons = refusals(disk, rules);
  if (reasons.length === 0) return disk;
  const builtIn = reasons.length === 1 && reasons[0]?.startsWith('it is not removable');
  throw new OperatorError({
    code: 'flash.refused',
    message: `${device} is not flashed: ${reasons.join('; ')}`,
    evidence: deviceTable([disk], rules),
    fix: builtIn
      ? disk.serial === undefined
        ? 'take another device: it tells no serial, by which it could be forced'
        : `if it is the right one: ${pasteable(['--force-serial', disk.serial])}`
      : disk.uses.length > 0 && !reasons.includes(SYSTEM)
        ? `unmount it first: sudo umount ${disk.path}*`
        : 'take another device',
  });
}

function standing(disk: Disk, rules: FlashRules): string {
  const reasons = refusals(disk, rules);
  const lost = losses(disk);
  const holds = lost.length === 0 ? [] : [`holds ${lost.join(', ')}`];
  if (reasons.length > 0) return [...reasons, ...holds].join('; ');
  return lost.length === 0 ? 'may be flashed' : `${holds}: only with ${wipeFlag(disk)}`;
}

/** A table for people. */
export function deviceTable(disks: readonly Disk[], rules: FlashRules): string {
  if (disks.length === 0) return 'no disks';
  const lines = disks.map((disk) => [
    disk.path,
    bytesText(disk.size),
    disk.model ?? '-',
    disk.serial ?? '-',
    disk.transport ?? '-',
    standing(disk, rules),
  ]);
  const all = [['DEVICE', 'SIZE', 'MODEL', 'SERIAL', 'BY', ''], ...lines];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
