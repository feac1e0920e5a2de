import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Disk, parseLsblk } from '../../agent/installer/disks.ts';
import { assertFlashable, assertMayWipe, deviceTable, proposed, refusals } from './devices.ts';

function disksOf(...devices: Record<string, unknown>[]): Disk[] {
  const blockdevices = devices.map((it) => ({ type: 'disk', size: 16e9, ...it }));
  return parseLsblk(JSON.stringify({ blockdevices }), { loops: true });
}

const stick = { name: 'sdb', tran: 'usb', model: 'Ultra Fit', serial: '4C53', rm: true };
const system = {
  name: 'sda',
  tran: 'sata',
  serial: 'SYS',
  size: 500e9,
  children: [{ name: 'sda1', type: 'part', size: 1, mountpoints: ['/'] }],
};

test('a stick may be flashed, a built-in disk only by its serial, a mounted or system one never', () => {
  const inner = { name: 'nvme0n1', serial: 'N1' };
  const mounted = {
    ...stick,
    children: [{ name: 'sdb1', type: 'part', size: 1, mountpoints: ['/media/x'] }],
  };
  const said = (device: Record<string, unknown>, rules = {}) => {
    const [disk] = disksOf(device);
    assert.ok(disk);
    return refusals(disk, rules).join('; ');
  };
  assert.equal(said(stick), '');
  assert.equal(said(inner), 'it is not removable (nvme)');
  assert.equal(said(inner, { forceSerial: 'N1' }), '');
  assert.equal(said(inner, { forceSerial: 'N2' }), 'it is not removable (nvme)');
  assert.equal(said({ name: 'vda' }, { forceSerial: undefined }), 'it is not removable (virtio)');
  assert.equal(said(mounted), 'sdb1 is mounted at /media/x');
  assert.equal(said(system, { forceSerial: 'SYS' }), 'this system runs from it; sda1 is mounted at /');
  assert.match(said({ ...stick, ro: true }), /read-only/);
  assert.match(said({ name: 'loop1', type: 'loop' }), /not removable/);
  assert.equal(said({ name: 'loop1', type: 'loop' }, { allowLoop: true }), '');
});

test('refusals say what to do', () => {
  const disks = disksOf(system, stick, { name: 'nvme0n1', serial: 'N1' });
  assert.equal(assertFlashable(disks, '/dev/sdb', {}).name, 'sdb');
  assert.throws(() => assertFlashable(disks, '/dev/nvme0n1', {}), { fix: /--force-serial N1$/ });
  assert.throws(() => assertFlashable(disks, '/dev/sda', { forceSerial: 'SYS' }), {
    fix: 'take another device',
  });
  const mounted = { ...stick, mountpoints: ['/media/x'] };
  assert.throws(() => assertFlashable(disksOf(mounted), '/dev/sdb', {}), { fix: /^unmount it first/ });
  assert.throws(() => assertFlashable(disks, '/dev/sda1', {}), {
    message: /part of \/dev\/sda;/,
    fix: 'name /dev/sda',
  });
  assert.throws(() => assertFlashable(disks, '/dev/sdx', {}), {
    code: 'flash.device',
    evidence: /Ultra Fit/,
  });
});

test('the table shows model, size and serial', () => {
  assert.equal(
    deviceTable(disksOf(stick), {}),
    'DEVICE    SIZE   MODEL      SERIAL  BY\n/dev/sdb  16.0 GB  Ultra Fit  4C53    usb  may be flashed'.replace(
      'SIZE   ',
      'SIZE     ',
    ),
  );
});

const tank = {
  name: 'sda',
  tran: 'usb',
  serial: 'NA0001',
  size: 4e12,
  children: [{ name: 'sda1', type: 'part', size: 4e12, fstype: 'zfs_member', label: 'tank' }],
};

test('an eMMC is built in though lsblk calls it hot-pluggable, and a card in any reader is not', () => {
  const boot = { name: 'mmcblk0boot0', ro: true };
  const [emmc] = disksOf({ name: 'mmcblk0', hotplug: true }, boot);
  const [card] = disksOf({ name: 'mmcblk0', tran: 'mmc', hotplug: false, rm: false });
  const [inPc] = disksOf({ name: 'sda', tran: 'sas', hotplug: true });
  assert.deepEqual(
    [emmc, card, inPc].map((disk) => disk?.removable),
    [false, true, false],
  );
});

test('an empty or small stick is proposed, never a large disk with data', () => {
  assert.equal(proposed(disksOf(tank, stick))?.path, '/dev/sdb');
  assert.equal(proposed(disksOf(tank)), undefined);
  const used = { ...stick, name: 'sdc', size: 8e9, fstype: 'vfat' };
  assert.equal(proposed(disksOf(used, stick))?.path, '/dev/sdb');
  assert.equal(proposed(disksOf(tank, used))?.path, '/dev/sdc');
});

test('what holds data is wiped by its serial alone, and never by --yes', () => {
  const [full, empty] = disksOf(tank, stick);
  assert.ok(full && empty);
  assertMayWipe(empty, { yes: true });
  assertMayWipe(full, { wipe: 'NA0001' });
  for (const rules of [{}, { yes: true }, { wipe: '4C53' }, { wipe: '/dev/sda' }])
    assert.throws(() => assertMayWipe(full, rules), { code: 'flash.data', fix: /--wipe NA0001$/ });
  assert.match(deviceTable([full], {}), /zfs_member "tank".*only with --wipe NA0001/);
});

test('a serial is taken as labels have it, and told so that a shell takes it as one word', () => {
  const [disk] = disksOf({ ...stick, serial: 'ab 12', fstype: 'ext4' });
  assert.ok(disk);
  assert.throws(() => assertMayWipe(disk, { wipe: 'other' }), { fix: /--wipe 'ab 12'$/ });
  assertMayWipe(disk, { wipe: ' AB 12' });
  const [inner] = disksOf({ name: 'nvme0n1', serial: 's3z8nx0k' });
  assert.ok(inner);
  assert.deepEqual(refusals(inner, { forceSerial: 'S3Z8NX0K' }), []);
  const [nameless] = disksOf({ ...stick, serial: undefined, fstype: 'ext4' });
  assert.ok(nameless);
  assertMayWipe(nameless, { wipe: 'sdb' });
  assert.throws(() => assertMayWipe(nameless, { wipe: 'sdc' }), { code: 'flash.data' });
});

test('what is no disk is told as what it is, with what to do', () => {
  const said = (device: string, kind: string) => {
    try {
      assertFlashable(disksOf(stick), device, {}, kind);
    } catch (error) {
      const { message, fix } = error as { message: string; fix: string };
      return `${message}; ${fix}`;
    }
    return '';
  };
  assert.match(said('/dev/sdx', 'nothing'), /no such device; name one of these/);
  assert.match(said('/dev/mapper/vg0-root', 'block'), /a volume, a loop device/);
  assert.match(said('/dev/loop3', 'block'), /--allow-loop$/);
  assert.match(said('/tmp/x.img', 'file'), /it is a file; the device comes first/);
  assert.match(said('/dev/null', 'character'), /no disk of this machine; name one/);
});
