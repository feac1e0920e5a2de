/**
 * Whether the disk that is about to be written is the one that was chosen: a question may stand for hours, and cables
 * are changed meanwhile.
 */
import { type BlockDevice, DeviceFault } from './device.ts';
import type { Disk } from './disks.ts';
import { type DiskPrograms, listDisks, lookAtOpened } from './read-disks.ts';

/**
 * Look again at a disk that was opened for writing, and before it is written.
 *
 * @param chosen as it was shown; @param opened stays open, so that nothing can take its place any more
 * @throws DeviceFault `exchanged`
 */
export async function assertChosenDisk(
  programs: Pick<DiskPrograms, 'run'>,
  chosen: Disk,
  opened: BlockDevice,
  options: { readonly loops?: boolean } = {},
): Promise<void> {
  const listed = (await listDisks(programs, options)).find(({ path }) => path === chosen.path);
  const now = listed === undefined ? undefined : await lookAtOpened(programs, listed, opened);
  const found = now === undefined ? ['it is not there any more'] : differences(chosen, now, opened);
  if (found.length === 0) return;
  throw new DeviceFault(
    'exchanged',
    `${chosen.path} is not the disk that was chosen: ${found.join('; ')}. Nothing was written`,
    { fix: 'look at the disks again, and choose anew' },
  );
}

/** What is not as it was when the disk was chosen, in words. Pure. */
export function differences(chosen: Disk, now: Disk, opened: Pick<BlockDevice, 'identity'>): string[] {
  const { number, sequence, size } = opened.identity;
  const facts: readonly [what: string, then: string | undefined, now: string | undefined][] = [
    ['serial', chosen.serial, now.serial],
    ['WWN', chosen.wwn, now.wwn],
    ['model', chosen.model, now.model],
    ['size', `${chosen.size} bytes`, `${size ?? now.size} bytes`],
    ['sector', `${chosen.logicalSector} bytes`, `${now.logicalSector} bytes`],
    // Another disk under this name, or another medium in the drive, though all it says of itself is the same.
    ['sequence number', chosen.identity?.sequence, sequence],
    // Of what lsblk looked at, against what was opened.
    ['device number', now.number ?? number, number],
    ['contents', contents(chosen), contents(now)],
  ];
  return facts
    .filter(([, before, after]) => before !== after)
    .map(([what, before = 'none', after = 'none']) => `its ${what} was ${before} and is ${after}`);
}

function contents(disk: Disk): string {
  return disk.contents.length === 0 ? 'nothing' : [...disk.contents].sort().join(', ');
}
