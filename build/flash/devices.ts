/** Which devices may be flashed, and why the others may not. Pure. */
import type { Disk } from '../../agent/installer/disks.ts';
import { bytesText } from '../../agent/installer/progress.ts';
import { OperatorError } from '../errors.ts';

export interface FlashRules {
  /** The serial of a device that may be flashed though it is not removable. */
  readonly forceSerial?: string | undefined;
  readonly allowLoop?: boolean | undefined;
}

const SYSTEM = 'this system runs from it';

/** Why a device is not flashed; empty when it may be. What is in use is never flashed, forced or not. */
export function refusals(disk: Disk, { forceSerial, allowLoop }: FlashRules): string[] {
  const forced = forceSerial !== undefined && disk.serial === forceSerial;
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

/** @throws OperatorError `flash.refused`, `flash.device` */
export function assertFlashable(disks: readonly Disk[], device: string, rules: FlashRules): Disk {
  const disk = disks.find(({ path }) => path === device);
  if (disk === undefined) {
    const owner = disks.find(({ members }) => members.includes(device.replace(/^\/dev\//, '')));
    throw new OperatorError({
      code: 'flash.device',
      message:
        owner === undefined
          ? `${device} is no disk of this machine`
          : `${device} is a part of ${owner.path}; a whole device is flashed`,
      evidence: deviceTable(disks, rules),
      fix: owner === undefined ? 'name one of these' : `name ${owner.path}`,
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
      ? `if it is the right one: --force-serial ${disk.serial ?? '(it tells no serial, so it cannot be forced)'}`
      : disk.uses.length > 0 && !reasons.includes(SYSTEM)
        ? `unmount it first: sudo umount ${disk.path}*`
        : 'take another device',
  });
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
    refusals(disk, rules).join('; ') || 'may be flashed',
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
