/**
 * The conversation at the console as a state machine: what was typed goes in, what is shown and asked next comes
 * out. Pure; who reads and prints is `install.ts`.
 */
import { type Choice, type Judged, judge, type Surroundings } from './choose.ts';
import type { Disk } from './disks.ts';
import { isIdOf } from './same-disk.ts';
import { confirmScreen, diskScreen, refusalScreen } from './screens.ts';
import type { InstallSettings } from './settings.ts';

export type Dialogue =
  | { readonly at: 'pick'; readonly show: readonly string[]; readonly ask: string }
  | {
      readonly at: 'confirm';
      readonly show: readonly string[];
      readonly ask: string;
      readonly disk: Disk;
      /** What must be typed. */
      readonly word: string;
    }
  | { readonly at: 'go'; readonly show: readonly string[]; readonly disk: Disk }
  | { readonly at: 'rescan' }
  | { readonly at: 'leave' };

export interface Scene {
  readonly choice: Choice;
  readonly settings: InstallSettings;
  readonly surroundings: Surroundings;
  /** Of what is installed. */
  readonly name: string;
}

export function begin(scene: Scene): Dialogue {
  const { choice, settings } = scene;
  const disks = ['Disks of this machine:', '', ...diskScreen(choice), ''];
  const judged = choice.judged.find(({ disk }) => disk === choice.chosen);
  if (settings.unattended) {
    if (judged === undefined) return { at: 'leave' };
    return {
      at: 'go',
      show: [...disks, ...confirmScreen(judged.disk, judged.wipes, scene.name)],
      disk: judged.disk,
    };
  }
  if (judged !== undefined) return confirm(scene, judged, disks);
  return pick([...disks, ...refusalScreen(choice), '']);
}

/** @param typed a line, without its break */
export function answer(scene: Scene, now: Dialogue, typed: string): Dialogue {
  const said = typed.trim();
  if (/^q(uit)?$/i.test(said)) return { at: 'leave' };
  if (/^r(escan)?$/i.test(said)) return { at: 'rescan' };
  if (now.at === 'confirm') {
    if (said === now.word || (now.word !== 'yes' && isIdOf(now.disk, said)))
      return { at: 'go', show: [], disk: now.disk };
    if (said === '' || /^no?$/i.test(said))
      return pick(['Nothing was done.', '', ...diskScreen(scene.choice), '']);
    return { ...now, show: [`That is not ${now.word}.`] };
  }
  if (now.at !== 'pick') return now;
  const { judged } = scene.choice;
  const picked = judged.find(
    ({ disk }, index) =>
      said !== '' &&
      ([String(index + 1), disk.path, disk.name, ...disk.otherPaths].includes(said) || isIdOf(disk, said)),
  );
  if (picked === undefined) return pick([`There is no disk ${JSON.stringify(said)}.`]);
  // Whoever types the serial at the console gives leave to wipe; everything else still holds.
  const { serial } = picked.disk;
  const { wipe } = scene.settings;
  const allowed = { ...scene.settings, wipe: serial === undefined ? wipe : [wipe ?? [], serial].flat() };
  const now2 = judge(picked.disk, allowed, scene.surroundings);
  if (now2.refusals.length > 0) {
    return pick([`${picked.disk.path} cannot be used:`, ...now2.refusals.map((reason) => `  - ${reason}`)]);
  }
  return confirm(scene, now2, []);
}

function pick(show: readonly string[]): Dialogue {
  return { at: 'pick', show, ask: 'Number of the disk to install to, r to look again, q to leave: ' };
}

/** Data is destroyed only for a serial that was typed; an empty disk takes a yes. */
function confirm({ name }: Scene, { disk, wipes }: Judged, before: readonly string[]): Dialogue {
  const word = wipes.length > 0 && disk.serial !== undefined ? disk.serial : 'yes';
  const what = word === 'yes' ? 'yes' : `the serial of the disk (${word})`;
  return {
    at: 'confirm',
    show: [...before, ...confirmScreen(disk, wipes, name), ''],
    ask: `Type ${what} to install, Enter to choose another: `,
    disk,
    word,
  };
}
