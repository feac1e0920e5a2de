import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MachineSpec, qemuArgv } from './argv.ts';
import { matchesGolden } from './golden.ts';

const plain: MachineSpec = {
  name: 'n1',
  accel: 'tcg',
  memoryMiB: 1024,
  cpus: 2,
  flash: undefined,
  disks: [
    { file: '/w/disk.qcow2', format: 'qcow2', bus: 'virtio', readonly: false, serial: 'root', bootIndex: 0 },
  ],
  nics: [],
  sockets: { qmp: '/s/qmp', console: '/s/console', agent: '/s/agent' },
  consoleLog: '/w/console.log',
};

const everyDisk: MachineSpec = {
  ...plain,
  accel: 'kvm',
  flash: { code: '/f/CODE.ms.fd', vars: '/w/vars.fd', smm: true },
  disks: [
    ...plain.disks,
    { file: '/w/nvme.raw', format: 'raw', bus: 'nvme', readonly: false },
    { file: '/w/stick.raw', format: 'raw', bus: 'usb', readonly: false, bootIndex: 1 },
    { file: '/w/a,b.iso', format: 'raw', bus: 'cdrom', readonly: true },
  ],
  nics: [
    { kind: 'user', mac: '52:54:00:00:00:01', isolated: true, forwards: [{ hostPort: 2201, guestPort: 22 }] },
    { kind: 'switch', mac: '52:54:00:00:00:02', socket: '/s/port1' },
  ],
};

const cases: readonly [string, MachineSpec][] = [
  ['bios-tcg', plain],
  ['uefi-tcg', { ...plain, flash: { code: '/f/CODE.fd', vars: '/w/vars.fd', smm: false } }],
  ['secureboot-kvm-every-disk', everyDisk],
  [
    'hot-places',
    {
      ...plain,
      disks: [{ file: '/w/new.qcow2', format: 'qcow2', bus: 'nvme', readonly: false, sector: 4096 }],
      hotPlaces: 2,
    },
  ],
  ['kernel-only', { ...plain, disks: [], kernel: { image: '/k', initrd: '/i', append: 'console=ttyS0' } }],
];

for (const [name, spec] of cases) {
  test(`the command line of ${name} is as recorded`, async () => {
    await matchesGolden(new URL(`goldens/${name}.golden`, import.meta.url), asText(qemuArgv(spec)));
  });
}

test('only disks that are thrown away may be lost with this computer', () => {
  const cachesOf = (spec: MachineSpec) =>
    qemuArgv(spec)
      .join(' ')
      .match(/cache=\w+/g);
  assert.deepEqual(cachesOf(everyDisk), Array(3).fill('cache=writeback'));
  assert.deepEqual(cachesOf({ ...everyDisk, throwAway: true }), Array(3).fill('cache=unsafe'));
});

test('a comma in a file name cannot become another option', () => {
  const argv = qemuArgv({ ...plain, disks: [{ ...everyDisk.disks[0], file: '/w/x,if=none' } as never] });
  assert.ok(argv.some((word) => word.includes('file=/w/x,,if=none')));
});

/** One option with its value on a line. */
function asText(argv: readonly string[]): string {
  return `${argv.join('\n').replaceAll(/\n(?!-)/g, ' ')}\n`;
}
