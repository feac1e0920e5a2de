import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Disk, parseLsblk } from '../../agent/installer/disks.ts';
import { assertFlashable, deviceTable, refusals } from './devices.ts';

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
