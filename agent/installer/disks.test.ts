import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLsblk, parseWipefs, withLook } from './disks.ts';

const GB = 1e9;

function lsblk(...blockdevices: Record<string, unknown>[]): string {
  return JSON.stringify({
    blockdevices: blockdevices.map((it) => ({ type: 'disk', size: 100 * GB, ...it })),
  });
}

test('the disks of a machine are NVMe, SATA, virtio, USB, eMMC and Xen ones; nothing else', () => {
  const disks = parseLsblk(
    lsblk(
      ...['sda', 'sdaa', 'nvme0n1', 'nvme10n2', 'vda', 'xvdb', 'hda', 'mmcblk0'].map((name) => ({ name })),
      ...['mmcblk0boot0', 'mmcblk0boot1', 'mmcblk0rpmb', 'zram0', 'nbd0', 'ram0', 'nvme0c0n1'].map(
        (name) => ({
          name,
        }),
      ),
      { name: 'sr0', type: 'rom' },
      { name: 'loop0', type: 'loop' },
      { name: 'dm-0', type: 'lvm' },
      { name: 'md0', type: 'raid1' },
      { name: 'sdz', size: 0 },
    ),
  );
  assert.deepEqual(
    disks.map(({ name }) => name),
    ['hda', 'mmcblk0', 'nvme0n1', 'nvme10n2', 'sda', 'sdaa', 'vda', 'xvdb'],
  );
  assert.deepEqual(
    parseLsblk(lsblk({ name: 'loop0', type: 'loop' }), { loops: true }).map(({ name }) => name),
    ['loop0'],
  );
});

test('what lsblk says of a disk is understood, also as older versions say it', () => {
  const [disk] = parseLsblk(
    lsblk({
      name: 'sdb',
      path: '/dev/sdb',
      size: '15931539456',
      'log-sec': '4096',
      'phy-sec': 4096,
      model: ' Ultra_Fit ',
      serial: '4C53',
      wwn: null,
      tran: 'usb',
      rm: '1',
      ro: false,
    }),
  );
  assert.deepEqual(disk, {
    name: 'sdb',
    path: '/dev/sdb',
    otherPaths: [],
    size: 15_931_539_456,
    logicalSector: 4096,
    physicalSector: 4096,
    model: 'Ultra_Fit',
    serial: '4C53',
    wwn: undefined,
    number: undefined,
    transport: 'usb',
    removable: true,
    readOnly: false,
    uses: [],
    contents: [],
    labels: [],
    members: ['sdb'],
  });
});

test('an internal disk is not removable because its controller can hot-plug', () => {
  const [nvme, sata, usb] = parseLsblk(
    lsblk(
      { name: 'nvme0n1', hotplug: true, rm: false },
      { name: 'sda', tran: 'sata', hotplug: true, rm: false },
      { name: 'sdb', tran: 'usb', hotplug: true, rm: false },
    ),
  );
  assert.deepEqual([nvme?.removable, sata?.removable, usb?.removable], [false, false, true]);
  assert.deepEqual([nvme?.transport, sata?.transport], ['nvme', 'sata']);
});

test('what uses a disk is found below it: mounts, swap, encryption, LVM, RAID', () => {
  const [disk] = parseLsblk(
    lsblk({
      name: 'sda',
      children: [
        { name: 'sda1', type: 'part', size: 1, mountpoints: ['/boot', null], fstype: 'ext4', label: 'b' },
        { name: 'sda2', type: 'part', size: 1, mountpoint: '[SWAP]' },
        {
          name: 'sda3',
          type: 'part',
          size: 1,
          fstype: 'crypto_LUKS',
          children: [{ name: 'secret', kname: 'dm-0', type: 'crypt', size: 1, mountpoints: ['/'] }],
        },
      ],
    }),
  );
  assert.deepEqual(
    disk?.uses,
    [
      'sda1 is mounted at /boot',
      'sda2 is used as swap',
      'crypt secret is on it',
      'secret is mounted at /',
    ].toSorted((a, b) => (disk?.uses.indexOf(a) ?? 0) - (disk?.uses.indexOf(b) ?? 0)),
  );
  assert.equal(disk?.uses.length, 4);
  assert.deepEqual(disk?.contents, [
    'partition sda1 (ext4 "b")',
    'partition sda2 (unknown)',
    'partition sda3 (crypto_LUKS)',
  ]);
  assert.deepEqual(disk?.members, ['sda', 'sda1', 'sda2', 'sda3', 'dm-0']);
});

test('signatures, unknown bytes and an installation cut off are told apart', () => {
  const [disk] = parseLsblk(lsblk({ name: 'sda' }));
  assert.ok(disk);
  const look = { signatures: [], unfinished: false, unknownData: false };
  assert.deepEqual(withLook(disk, look).contents, []);
  assert.deepEqual(withLook(disk, { ...look, unknownData: true }).contents, ['unknown data']);
  assert.deepEqual(
    withLook(disk, {
      ...look,
      signatures: ['PMBR', 'gpt', 'LVM2_member', 'linux_raid_member'],
      unknownData: true,
    }).contents,
    ['a partition table (gpt)', 'a volume of LVM (LVM2_member)', 'a member of a RAID (linux_raid_member)'],
  );
  assert.deepEqual(withLook({ ...disk, contents: ['x'] }, { ...look, unfinished: true }).contents, []);
});

test('wipefs says nothing of an empty disk', () => {
  assert.deepEqual(parseWipefs(''), []);
  const signature = (type: string) => ({ device: 'sda', offset: '0x1fe', type, uuid: null, label: null });
  const signatures = [signature('gpt'), signature('gpt'), signature('PMBR')];
  assert.deepEqual(parseWipefs(JSON.stringify({ signatures })), ['gpt', 'PMBR']);
});
