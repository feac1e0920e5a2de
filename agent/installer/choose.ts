/** Which disk is installed to. An explicit rule, and a reason for every disk that is not taken. Pure. */
import type { Disk } from './disks.ts';
import { bytesText } from './progress.ts';
import { isIdOf, onePathEach } from './same-disk.ts';
import { type InstallSettings, sizeRange } from './settings.ts';

/** The smallest disk: 8 GB as sold, of which some lack a little. */
export const SMALLEST = 7.8e9;

export interface Surroundings {
  /** Kernel names of the devices that the installer runs from, whatever way they are used. */
  readonly medium: readonly string[];
  /** What other names of a path lead to: `/dev/disk/by-path/...` -> `/dev/sda`. */
  readonly resolved?: Readonly<Record<string, string>>;
}

export interface Judged {
  readonly disk: Disk;
  /** Why it may not be written to. */
  readonly refusals: readonly string[];
  /** Whether all that the settings say of the disk holds for it. */
  readonly matches: boolean;
  /** Data on it that will be destroyed, by the settings' leave. */
  readonly wipes: readonly string[];
}

export interface Choice {
  readonly judged: readonly Judged[];
  readonly chosen: Disk | undefined;
  /** Why none was chosen, one sentence. */
  readonly reason: string | undefined;
  /** What to do about it. */
  readonly fix: string | undefined;
}

export function chooseDisk(
  disks: readonly Disk[],
  settings: Pick<InstallSettings, 'disk' | 'wipe'>,
  surroundings: Surroundings,
): Choice {
  const judged = onePathEach(disks).map((disk) => judge(disk, settings, surroundings));
  const asked = Object.values(settings.disk).some((value) => value !== undefined);
  const candidates = judged.filter(({ matches }) => matches);
  const usable = candidates.filter(({ refusals }) => refusals.length === 0);
  const empty = usable.filter(({ disk }) => disk.contents.length === 0);
  const none = (reason: string, fix: string): Choice => ({ judged, chosen: undefined, reason, fix });
  // A rule that also fits a full disk may have meant that one; without a rule an empty disk comes first.
  const meant = asked
    ? candidates.filter((it) => !isMedium(it, surroundings))
    : empty.length > 0
      ? empty
      : usable;
  const [only] = usable;
  if (only !== undefined) {
    const [one, another] = meant;
    if (one !== undefined && another === undefined) {
      return { judged, chosen: one.disk, reason: undefined, fix: undefined };
    }
    const what = asked ? 'the rule matches' : empty.length > 0 ? 'there are' : 'the wipe setting matches';
    const kind = !asked && empty.length > 0 ? 'empty disks' : 'disks';
    return none(`${what} several ${kind}: ${names(meant)}`, nameOneBy(meant));
  }
  if (judged.every((it) => isMedium(it, surroundings))) {
    const but = disks.length === 0 ? '' : ' but the one that the installer runs from';
    return none(`this machine has no disk${but}`, 'connect a disk, or look at the controller');
  }
  if (candidates.length === 0) {
    const why = pathTrouble(disks, settings.disk.path, surroundings);
    return none(
      `no disk fits what install.yaml says of it${why}`,
      'correct disk: in install.yaml by the list',
    );
  }
  const strange = strangeWipes(disks, settings.wipe);
  const also = strange.length === 0 ? '' : `; wipe: ${strange.join(', ')} is no serial of a disk here`;
  return none(
    asked
      ? `the disk that was named cannot be used: ${names(candidates)}${also}`
      : `no disk is empty and large enough${also}`,
    'connect an empty disk, or allow one to be wiped: install.yaml, wipe: <its serial>',
  );
}

/** The same for one disk that somebody picked by hand: the rule and `wipe` are what they said. */
export function judge(
  disk: Disk,
  settings: Pick<InstallSettings, 'disk' | 'wipe'>,
  surroundings: Surroundings,
): Judged {
  const allowed = mayWipe(disk, settings.wipe);
  const refusals: string[] = [];
  const medium = disk.members.some((name) => surroundings.medium.includes(name));
  if (medium) refusals.push('the installer runs from it');
  else if (disk.labels.some((label) => /^cidata$/i.test(label))) refusals.push('the seed is on it');
  if (!medium && disk.size < SMALLEST)
    refusals.push(`too small: ${bytesText(disk.size)}, at least 8 GB are needed`);
  if (disk.readOnly) refusals.push('read-only');
  if (!medium) refusals.push(...disk.uses.map((use) => `in use: ${use}`));
  if (!medium && !allowed && disk.contents.length > 0) refusals.push(`holds ${disk.contents.join(', ')}`);
  return {
    disk,
    refusals,
    matches: fits(disk, settings.disk, surroundings),
    wipes: refusals.length === 0 ? disk.contents : [],
  };
}

function isMedium({ disk }: Judged, { medium }: Surroundings): boolean {
  return disk.members.some((name) => medium.includes(name));
}

/** `all` is a word of its own: a disk whose serial is `all` gets no exception. */
function mayWipe(disk: Disk, wipe: InstallSettings['wipe']): boolean {
  const said = wipe === undefined ? [] : [wipe].flat();
  return said.some((word) => word.toLowerCase() === 'all' || isIdOf(disk, word));
}

/** What stands below `wipe` and allows nothing: a path, `yes`, the serial of another machine's disk. */
function strangeWipes(disks: readonly Disk[], wipe: InstallSettings['wipe']): readonly string[] {
  const said = wipe === undefined ? [] : [wipe].flat();
  return said.filter((word) => word.toLowerCase() !== 'all' && !disks.some((disk) => isIdOf(disk, word)));
}

function pathTrouble(
  disks: readonly Disk[],
  path: string | undefined,
  { resolved = {} }: Surroundings,
): string {
  if (path === undefined) return '';
  const place = resolved[path] ?? path;
  const whole = disks.find(({ members }) => members.includes(place.replace(/^\/dev\//, '')));
  if (whole === undefined) return `: there is no ${path}`;
  return whole.path === place ? '' : `: ${path} is a part of ${whole.path}, and a whole disk is needed`;
}

function fits(disk: Disk, rule: InstallSettings['disk'], { resolved = {} }: Surroundings): boolean {
  if (rule.size !== undefined) {
    const { from, to } = sizeRange(rule.size);
    if (disk.size < from || disk.size > to) return false;
  }
  if (rule.model !== undefined && !likeModel(disk.model ?? '', rule.model)) return false;
  if (rule.serial !== undefined && !isIdOf(disk, rule.serial)) return false;
  return (
    rule.path === undefined || [disk.path, ...disk.otherPaths].includes(resolved[rule.path] ?? rule.path)
  );
}

/** `*` stands for anything; letters may be large or small. */
function likeModel(model: string, pattern: string): boolean {
  const escaped = pattern
    .trim()
    .split('*')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`, 'i').test(model);
}

/** By what they differ in: serials first, since names change from boot to boot. */
function nameOneBy(list: readonly Judged[]): string {
  const serials = list.map(({ disk }) => disk.serial?.toLowerCase());
  const differ = !serials.includes(undefined) && new Set(serials).size === list.length;
  return differ
    ? 'name one by serial: install.yaml, disk: {serial: ...}'
    : 'name one by its place: install.yaml, disk: {path: /dev/disk/by-path/...}';
}

function names(list: readonly Judged[]): string {
  return list.map(({ disk }) => disk.path).join(', ');
}
