import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGolden } from '../../qemu/golden.ts';
import { chooseDisk } from './choose.ts';
import { answer, begin, type Dialogue, type Scene } from './dialogue.ts';
import { type Disk, parseLsblk, withLook } from './disks.ts';
import { meterLine } from './progress.ts';
import { doneScreen } from './screens.ts';
import { installSchema } from './settings.ts';

const DISKS = parseLsblk(
  JSON.stringify({
    blockdevices: [
      {
        name: 'nvme0n1',
        type: 'disk',
        size: 1.92e12,
        model: 'SAMSUNG MZVL21T0',
        serial: 'S676NX0R',
        tran: 'nvme',
      },
      {
        name: 'sda',
        type: 'disk',
        size: 480e9,
        model: 'INTEL SSDSC2KB48',
        serial: 'PHYF1234',
        tran: 'sata',
        children: [
          { name: 'sda1', type: 'part', size: 1e9, fstype: 'vfat', label: 'EFI' },
          { name: 'sda2', type: 'part', size: 4e11, fstype: 'LVM2_member' },
        ],
      },
      { name: 'sdb', type: 'disk', size: 4e9, model: 'Old Stick', tran: 'usb', rm: true },
      { name: 'sdc', type: 'disk', size: 16e9, model: 'Ultra Fit', serial: '4C53', tran: 'usb', rm: true },
    ],
  }),
).map((disk) =>
  disk.name === 'sda' ? withLook(disk, { signatures: ['gpt'], unfinished: false, unknownData: true }) : disk,
);

function sceneOf(disks: readonly Disk[], said: unknown = {}): Scene {
  const settings = installSchema.parse(said);
  const surroundings = { medium: ['sdc'] };
  return {
    choice: chooseDisk(disks, settings, surroundings),
    settings,
    surroundings,
    name: 'Cluster-OS (debian-13)',
  };
}

/** What one would see, with what was typed. */
function transcript(scene: Scene, ...typed: string[]): string {
  let now: Dialogue = begin(scene);
  let text = '';
  for (const line of [...typed, undefined]) {
    if ('show' in now) text += now.show.map((shown) => `${shown}\n`).join('');
    if (!('ask' in now) || line === undefined) break;
    text += `${now.ask}${line}\n`;
    now = answer(scene, now, line);
  }
  const end = now.at === 'go' ? `go ${now.disk.path}` : now.at;
  return `${text}[${end}]\n`;
}

test('the console shows the disks and the chosen one, and asks', async () => {
  await matchesGolden(
    new URL('goldens/chosen.golden', import.meta.url),
    transcript(sceneOf(DISKS), 'ja', 'yes'),
  );
});

test('when none can be chosen the console says why, and lets one be picked and its serial typed', async () => {
  const scene = sceneOf(DISKS.slice(1));
  const shown = transcript(scene, '9', '2', '3', '1', 'yes', '', 'PHYF1234', 'PHYF1234');
  await matchesGolden(new URL('goldens/refused.golden', import.meta.url), shown);
});

test('an unattended installation shows what it does, and asks nothing', async () => {
  const scene = sceneOf(DISKS, { unattended: true, disk: { path: '/dev/sda' }, wipe: 'PHYF1234' });
  await matchesGolden(new URL('goldens/unattended.golden', import.meta.url), transcript(scene));
  assert.equal(begin(sceneOf(DISKS.slice(1), { unattended: true })).at, 'leave');
});

test('the end says what was taken, and what to do', async () => {
  const [disk] = DISKS;
  assert.ok(disk);
  const meter = { title: 'Writing', total: 1.2e9, done: 5.04e8, startMs: 0, nowMs: 5140 };
  const lines = [
    meterLine({ ...meter, done: 0, nowMs: 10 }),
    meterLine(meter),
    meterLine({ ...meter, done: 1.2e9 }),
    meterLine({ ...meter, total: 1e12 }),
    '',
    ...doneScreen(disk, { taken: ['cluster.key', 'node.yaml'], refused: [] }, 'reboot'),
    '',
    ...doneScreen(disk, { taken: [], refused: [] }, 'poweroff'),
  ];
  await matchesGolden(new URL('goldens/done.golden', import.meta.url), `${lines.join('\n')}\n`);
});

test('r looks again and q leaves, at every question', () => {
  for (const scene of [sceneOf(DISKS), sceneOf([])]) {
    assert.equal(answer(scene, begin(scene), 'r').at, 'rescan');
    assert.equal(answer(scene, begin(scene), ' Quit ').at, 'leave');
  }
});

test('the medium cannot be picked by hand, nor a disk with data that tells no serial', () => {
  const nameless = DISKS.map((disk) => ({ ...disk, serial: undefined }));
  const scene = sceneOf(nameless.slice(1));
  for (const typed of ['1', '3', 'sdc', '/dev/sdc']) {
    assert.equal(answer(scene, begin(scene), typed).at, 'pick', typed);
  }
});

test('no line is wider than a console, and none commands it', () => {
  const wild = DISKS.map((disk) => ({
    ...disk,
    model: '\x1b[2J\u0007evil'.repeat(9),
    contents: ['x y '.repeat(90)],
  }));
  const text = transcript(sceneOf(wild, { wipe: 'all' }), '1', 'no');
  assert.ok(!/[^\x20-\x7e\n]/.test(text));
  assert.deepEqual(
    text.split('\n').filter((line) => line.length > 100),
    [],
  );
});
