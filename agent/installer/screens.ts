/** What the installer shows on the console, as text of at most 79 columns. Pure. */
import { printable, table } from '../cli/table.ts';
import type { Choice, Judged } from './choose.ts';
import type { Disk } from './disks.ts';
import { bytesText } from './progress.ts';

const WIDTH = 79;

/** The disks, what may not be written to and why. */
export function diskScreen({ judged, chosen }: Choice): string[] {
  if (judged.length === 0) return ['No disk was found.'];
  const lines = table(
    ['', 'DISK', 'SIZE', 'MODEL', 'SERIAL', 'BY'],
    judged.map(({ disk }, index) => [
      `${disk === chosen ? '>' : ' '}${index + 1}`,
      disk.path,
      bytesText(disk.size),
      disk.model?.slice(0, 20),
      disk.serial?.slice(0, 24),
      disk.transport,
    ]),
  );
  const [head = '', ...rest] = lines;
  return [head, ...rest.flatMap((line, index) => [line, ...stateLines(judged[index])])];
}

function stateLines(it: Judged | undefined): string[] {
  if (it === undefined) return [];
  const { otherPaths } = it.disk;
  const said = it.refusals.length > 0 ? it.refusals : it.wipes.map((what) => `WILL BE DESTROYED: ${what}`);
  const also = otherPaths.length > 0 ? [`the same disk as ${otherPaths.join(', ')}`] : [];
  return [...also, ...(said.length > 0 ? said : ['empty'])].flatMap((text) =>
    folded(`     - ${text}`, '       '),
  );
}

/** A choice that was not made, and what to do. */
export function refusalScreen({ reason, fix }: Choice): string[] {
  return [...folded(`Nothing is installed: ${reason}.`, ''), ...folded(`To go on: ${fix}.`, '')];
}

export function confirmScreen(disk: Disk, wipes: readonly string[], name: string): string[] {
  return [
    ...folded(`${name} will be installed to ${diskText(disk)}.`, ''),
    wipes.length > 0
      ? 'ALL THAT IS ON THIS DISK WILL BE DESTROYED:'
      : 'The disk is empty. All of it will be used.',
    ...wipes.flatMap((what) => folded(`  - ${what}`, '    ')),
  ];
}

export function doneScreen(
  disk: Disk,
  seed: { readonly taken: readonly string[]; readonly refused: readonly string[] },
  after: 'reboot' | 'poweroff' | 'wait',
): string[] {
  const next = {
    reboot: 'Restarting. Pull out the stick if the machine starts from it again.',
    poweroff: 'Switching off. Pull out the stick before switching on.',
    wait: 'Pull out the stick and restart.',
  };
  return [
    ...folded(`Installed to ${diskText(disk)}; all of it was read back.`, ''),
    ...folded(takenText(seed), ''),
    next[after],
  ];
}

function takenText({ taken, refused }: Parameters<typeof doneScreen>[1]): string {
  if (taken.length > 0) return `Taken from the seed: ${taken.join(', ')}.`;
  const seed = refused.length > 0 ? 'Nothing was taken from the seed' : 'There was no seed';
  return `${seed}: the machine waits for one, see docs/install.md.`;
}

/** `/dev/sda (SAMSUNG MZ7, 480 GB, serial S1)` */
function diskText({ path, model, size, serial }: Disk): string {
  const parts = [model, bytesText(size), serial === undefined ? undefined : `serial ${serial}`];
  return printable(`${path} (${parts.filter((part) => part !== undefined).join(', ')})`);
}

function folded(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(/(?<=\S) /)) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
