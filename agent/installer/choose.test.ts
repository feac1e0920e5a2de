import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseDisk, type Surroundings } from './choose.ts';
import { type Disk, parseLsblk } from './disks.ts';
import { installSchema, parseInstallSettings, sizeRange } from './settings.ts';

const GB = 1e9;

function disk(name: string, more: Partial<Disk> = {}): Disk {
  const [base] = parseLsblk(
    JSON.stringify({
      blockdevices: [{ name, type: 'disk', size: 500 * GB, model: 'Disk One', serial: `S-${name}` }],
    }),
  );
  assert.ok(base);
  return { ...base, ...more };
}

const full = (name: string, more: Partial<Disk> = {}) =>
  disk(name, { contents: ['a partition table (gpt)'], ...more });

function choose(disks: readonly Disk[], said: unknown = {}, surroundings: Partial<Surroundings> = {}) {
  return chooseDisk(disks, installSchema.parse(said), { medium: [], ...surroundings });
}

const refusals = (name: string, choice: ReturnType<typeof choose>) =>
  choice.judged.find((it) => it.disk.name === name)?.refusals.join('; ');

test('without a rule the only empty disk is taken', () => {
  assert.equal(choose([disk('sda'), full('sdb')]).chosen?.name, 'sda');
  assert.equal(choose([disk('nvme0n1')]).chosen?.name, 'nvme0n1');
});

test('the medium is never taken, even by name, by its serial and with wipe: all', () => {
  const stick = disk('sdb', { members: ['sdb', 'sdb1'] });
  const medium = ['sdb1'];
  for (const said of [
    {},
    { wipe: 'all' },
    { disk: { path: '/dev/sdb' }, wipe: 'all' },
    { disk: { serial: 'S-sdb' }, wipe: 'S-sdb' },
  ]) {
    const choice = choose([stick], said, { medium });
    assert.equal(choice.chosen, undefined);
    assert.equal(refusals('sdb', choice), 'the installer runs from it');
    assert.equal(choice.reason, 'this machine has no disk but the one that the installer runs from');
    assert.match(choice.fix ?? '', /^connect a disk/);
  }
  assert.equal(choose([disk('sda'), stick], {}, { medium }).chosen?.name, 'sda');
  assert.equal(choose([disk('sda'), stick], { disk: { size: '500GB' } }, { medium }).chosen?.name, 'sda');
});

test('a disk that holds the seed is refused', () => {
  assert.equal(
    refusals('sdb', choose([disk('sdb', { labels: ['CIDATA'] })], { wipe: 'all' })),
    'the seed is on it',
  );
});

test('two empty disks are refused, with both names', () => {
  const choice = choose([disk('sda'), disk('sdb'), full('sdc')]);
  assert.equal(choice.chosen, undefined);
  assert.equal(choice.reason, 'there are several empty disks: /dev/sda, /dev/sdb');
  assert.match(choice.fix ?? '', /serial/);
});

test('a rule that fits two disks is refused, also when one of them holds data', () => {
  const choice = choose([disk('sda'), full('sdb')], { disk: { size: '500GB' } });
  assert.equal(choice.reason, 'the rule matches several disks: /dev/sda, /dev/sdb');
});

test('a disk is named by serial, model, size or path, and all that is said must hold', () => {
  const disks = [
    disk('sda', { size: 480 * GB, model: 'SAMSUNG MZ7' }),
    disk('sdb', { size: 960 * GB, model: 'INTEL X', wwn: '0x5000c500a1b2c3d4' }),
  ];
  for (const [rule, name] of [
    [{ serial: 'S-sdb' }, 'sdb'],
    [{ model: 'samsung*' }, 'sda'],
    [{ model: '*X' }, 'sdb'],
    [{ size: '480GB' }, 'sda'],
    [{ size: '0.9TB - 1TB' }, 'sdb'],
    [{ path: '/dev/sda' }, 'sda'],
    [{ path: '/dev/disk/by-path/x' }, 'sdb'],
    [{ model: 'INTEL X', size: '480GB' }, undefined],
    [{ model: 'samsung' }, undefined],
    [{ model: 'S.*' }, undefined],
    [{ serial: ' s-SDB ' }, 'sdb'],
    [{ serial: 'S-sd' }, undefined],
    [{ serial: '0x5000C500A1B2C3D4' }, 'sdb'],
    [{ serial: 'wwn-0x5000c500a1b2c3d4' }, 'sdb'],
    [{ serial: '0x5000c500' }, undefined],
  ] as const) {
    const choice = choose(disks, { disk: rule }, { resolved: { '/dev/disk/by-path/x': '/dev/sdb' } });
    assert.equal(choice.chosen?.name, name, JSON.stringify(rule));
    if (name === undefined) assert.match(choice.reason ?? '', /no disk fits/);
  }
});

test('data is kept unless wipe names the disk by serial, or says all', () => {
  const held = full('sda', { contents: ['a volume of LVM (LVM2_member)'] });
  const refused = choose([held]);
  assert.equal(refusals('sda', refused), 'holds a volume of LVM (LVM2_member)');
  assert.equal(refused.reason, 'no disk is empty and large enough');
  assert.equal(choose([held], { wipe: 'S-sdb' }).chosen, undefined);
  assert.equal(choose([held], { disk: { path: '/dev/sda' } }).chosen, undefined);
  for (const wipe of ['S-sda', ['x', 's-SDA'], 'all', 'ALL', ['All']]) {
    const choice = choose([held], { wipe });
    assert.equal(choice.chosen?.name, 'sda');
    assert.deepEqual(choice.judged[0]?.wipes, held.contents);
  }
  const nameless = full('sda', { serial: undefined });
  assert.equal(choose([nameless], { wipe: 'S-sda' }).chosen, undefined);
});

test('with leave to wipe, an empty disk still comes first, and two full ones are refused', () => {
  assert.equal(choose([full('sda'), disk('sdb')], { wipe: 'all' }).chosen?.name, 'sdb');
  const choice = choose([full('sda'), full('sdb')], { wipe: 'all' });
  assert.equal(choice.reason, 'the wipe setting matches several disks: /dev/sda, /dev/sdb');
});

test('small, read-only and used disks are refused, each with its reason, whatever wipe says', () => {
  const disks = [
    disk('sda', { size: 4 * GB }),
    disk('sdb', { readOnly: true }),
    disk('sdc', { uses: ['sdc1 is mounted at /home', 'lvm vg0-x is on it'] }),
  ];
  const choice = choose(disks, { wipe: 'all' });
  assert.equal(choice.chosen, undefined);
  assert.equal(refusals('sda', choice), 'too small: 4.0 GB, at least 8 GB are needed');
  assert.equal(refusals('sdb', choice), 'read-only');
  assert.equal(refusals('sdc', choice), 'in use: sdc1 is mounted at /home; in use: lvm vg0-x is on it');
  assert.equal(choose([disk('mmcblk0', { size: 7_818_182_656 })]).chosen?.name, 'mmcblk0');
});

test('a machine without a disk, or with the medium only, is told', () => {
  assert.equal(choose([]).reason, 'this machine has no disk');
  assert.ok(choose([disk('sdb')], {}, { medium: ['sdb'] }).reason);
});

test('settings with mistakes are told with their lines, all of them', () => {
  const read = parseInstallSettings('install.yaml', 'disk:\n  size: big\n  path: sda\nafter: dance\nx: 1\n');
  assert.ok('mistakes' in read);
  assert.match(
    read.mistakes.join('\n'),
    /yaml:2:3: disk.size: expected a size.*found "big"\n.*yaml:3:3: disk.path.*\n.*yaml:4:1: after: expected one of/,
  );
  assert.match(read.mistakes.join('\n'), /x/);
  assert.ok('mistakes' in parseInstallSettings('install.yaml', 'a: [\n'));
  assert.deepEqual(parseInstallSettings('install.yaml', '# nothing\n'), {
    settings: installSchema.parse({}),
  });
});

test('an empty disk: and an empty wipe: say nothing; an empty rule below disk: is a mistake', () => {
  for (const text of ['disk:\n#  size: 480GB\n', 'wipe:\n', '---\n', 'disk: {}\n'])
    assert.deepEqual(parseInstallSettings('f', text), { settings: installSchema.parse({}) }, text);
  const read = parseInstallSettings('f', 'disk:\n  serial:\nwipe: all\n');
  assert.deepEqual(read, { mistakes: ['f:2:3: disk.serial: expected a value, found an empty value'] });
  assert.deepEqual(parseInstallSettings('f', 'unattended: yes\nwipe: {sda: 1}\n'), {
    mistakes: [
      'f:1:1: unattended: expected true or false, found "yes"',
      'f:2:1: wipe: expected a string or a list, found a map',
    ],
  });
});

test('one disk by two paths is one disk; two that only look alike are two', () => {
  const array = { model: 'IBM 2145', serial: '600507680c80', transport: 'fc' };
  const paths = [disk('sda', array), disk('sdb', array)];
  for (const rule of [{}, { disk: { serial: '600507680C80' } }, { disk: { path: '/dev/sdb' } }]) {
    const choice = choose(paths, rule);
    assert.equal(choice.chosen?.path, '/dev/sda', JSON.stringify(rule));
    assert.deepEqual(choice.chosen?.otherPaths, ['/dev/sdb']);
  }
  const inUse = choose([paths[0] as Disk, disk('sdb', { ...array, uses: ['mpath mpatha is on it'] })]);
  assert.equal(refusals('sda', inUse), 'in use: mpath mpatha is on it');
  assert.equal(choose(paths, {}, { medium: ['sdb'] }).chosen, undefined);
  for (const [one, two] of [
    [array, { ...array, contents: ['a partition table (gpt)'] }],
    [array, { ...array, size: 400 * GB }],
    [array, { ...array, model: 'IBM 2146' }],
    [array, { ...array, serial: undefined }],
    [
      { ...array, transport: 'usb' },
      { ...array, transport: 'usb' },
    ],
    [
      { ...array, model: undefined },
      { ...array, model: undefined },
    ],
  ] as const)
    assert.equal(choose([disk('sda', one), disk('sdb', two)]).judged.length, 2, JSON.stringify(two));
  const wwn = { model: 'X', serial: 'S', transport: 'sas' };
  const named = (one: string, two: string) =>
    choose([disk('sda', { ...wwn, wwn: one }), disk('sdb', { ...wwn, wwn: two })]);
  assert.equal(named('0x5', '0x5').judged.length, 1);
  assert.equal(named('0x5', '0x6').reason, 'there are several empty disks: /dev/sda, /dev/sdb');
  assert.match(named('0x5', '0x6').fix ?? '', /by-path/);
});

test('a size is within 5 % or a range', () => {
  assert.deepEqual(sizeRange('1TB'), { from: 950 * GB, to: 1050 * GB });
  assert.deepEqual(sizeRange('400GB-0.6 TB'), { from: 400 * GB, to: 600 * GB });
});

test('a size that no disk can have is a mistake of the file, not a disk that is missing', () => {
  for (const [size, words] of [
    ['600GB-400GB', /expected the smaller size first/],
    ['0GB', /expected a size above 0/],
  ] as const) {
    const parsed = parseInstallSettings('f', `disk: {size: ${size}}\n`);
    assert.match('mistakes' in parsed ? parsed.mistakes.join() : '', words);
  }
});

test('a path and a wipe setting that name no whole disk are told as that', () => {
  const parted = full('sda', { members: ['sda', 'sda1'] });
  const because = (settings: object) => choose([parted], settings).reason ?? '';
  assert.match(because({ disk: { path: '/dev/sda1' } }), /sda1 is a part of \/dev\/sda, and a whole disk/);
  assert.match(because({ disk: { path: '/dev/disk/by-id/x' } }), /there is no \/dev\/disk\/by-id\/x$/);
  for (const wipe of ['/dev/sda', 'true', 'S-other'])
    assert.match(because({ wipe }), new RegExp(`wipe: ${wipe} is no serial of a disk here`));
  assert.doesNotMatch(because({ disk: { path: '/dev/sda' } }), /wipe:/);
});

test('blanks in a serial count as one, however many a label shows', () => {
  assert.equal(choose([disk('sda', { serial: 'WD  2' })], { disk: { serial: 'wd 2' } }).chosen?.name, 'sda');
});
