/**
 * What an operator does with a live medium: start a machine with an empty disk from it, let it be installed to, take the
 * medium away, and start the machine again.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DiskSpec, FirmwareKind } from '../../qemu/argv.ts';
import { waitUntilBooted } from '../../qemu/booted.ts';
import type { Machine } from '../../qemu/machine.ts';
import {
  blankDisk,
  INSTALL_LIMIT_MS,
  installedMachine,
  installMachine,
  waitForInstaller,
} from '../install/machines.ts';
import { disc, liveMedia, type MediumKind, makeStick, seedVolume } from '../install/media.ts';
import { readyStatus } from '../nodes.ts';

const KEY = Buffer.alloc(32, 0x5a).toString('base64');
const UNATTENDED = {
  'clusteros/install.yaml': 'unattended: true\nafter: poweroff\n',
  'clusteros/cluster.key': `${KEY}\n`,
  'clusteros/node.yaml': 'cluster: {name: installed}\nconsensus: {expect: 1}\n',
};

interface Prepared {
  readonly folder: string;
  readonly disk: DiskSpec;
  readonly machine: Machine;
}

type Media = Awaited<ReturnType<typeof liveMedia>>;

async function prepare(
  media: Media,
  kind: MediumKind,
  firmware: FirmwareKind,
  folder: string,
): Promise<Prepared> {
  const name = `${kind}-${firmware}`;
  const image = media[kind];
  const medium = kind === 'usb' ? await makeStick(image, folder, UNATTENDED) : disc(image);
  const seed = kind === 'iso' ? await seedVolume(folder, UNATTENDED) : undefined;
  const disk = await blankDisk(folder, { name: 'EMPTY' });
  const machine = await installMachine({ name, folder, firmware, disks: [medium, disk], seed });
  return { folder, disk, machine };
}

// Two at a time: an emulated machine keeps one processor.
describe('a live medium', { concurrency: 2 }, () => {
  let media: Media;
  before(async () => {
    media = await liveMedia();
  });

  for (const [kind, firmware] of [
    ['usb', 'bios'],
    ['usb', 'secureboot'],
    ['iso', 'bios'],
    ['iso', 'secureboot'],
  ] as const) {
    describe(`${kind}, started by ${firmware}`, { concurrency: 1 }, () => {
      let folder: string;
      let prepared: Prepared;
      let installed: Machine | undefined;
      before(async () => {
        folder = mkdtempSync(path.join(tmpdir(), 'cos-install-'));
        prepared = await prepare(media, kind, firmware, folder);
      });
      after(async () => {
        await prepared?.machine.dispose();
        await installed?.dispose();
        rmSync(folder, { recursive: true, force: true });
      });

      test('installs to the only empty disk without a question, and switches off', async (t) => {
        const { machine } = prepared;
        await waitForInstaller(machine, /Cluster-OS installer/);
        await waitForInstaller(machine, /Writing/);
        // It is no node: nothing of the cluster runs on a live system.
        const units = await machine.guest.run([
          'systemctl',
          'is-active',
          'node-agent',
          'clusteros-serf',
          'ssh',
        ]);
        assert.deepEqual(units.stdout.trim().split('\n'), ['inactive', 'inactive', 'inactive']);
        const shown = await waitForInstaller(
          machine,
          /Installed to (\/dev\/\S+) [\s\S]*Taken from the seed: (.*)\./,
          {
            deadlineMs: INSTALL_LIMIT_MS,
          },
        );
        assert.equal(shown[1], '/dev/nvme0n1');
        assert.equal(shown[2], 'cluster.key, node.yaml');
        await machine.ended();
        t.diagnostic(machine.console.lastLines(12));
      });

      test('leaves a machine that starts without it, and is a node', async () => {
        await prepared.machine.dispose();
        const { disk } = prepared;
        installed = await installedMachine({ name: `${kind}-${firmware}`, folder, firmware, disk });
        await installed.start();
        await waitUntilBooted(installed);
        const machine = installed;
        const status = await readyStatus(machine);
        assert.match(JSON.stringify(status), /installed/);
        const root = await machine.guest.must([
          'findmnt',
          '--noheadings',
          '--bytes',
          '--output',
          'SIZE,SOURCE',
          '/',
        ]);
        const [size, source] = root.trim().split(/\s+/);
        assert.equal(source, '/dev/nvme0n1p3');
        assert.ok(Number(size) > 9e9, `the root has grown to ${size} bytes`);
        assert.match(await machine.guest.must(['sfdisk', '--verify', '/dev/nvme0n1']), /No errors detected/);
        const failed = await machine.guest.run(['mokutil', '--sb-state']);
        const secure = firmware === 'secureboot' ? /SecureBoot enabled/ : /EFI variables are not supported/;
        assert.match(failed.stdout + failed.stderr, secure);
      });
    });
  }
});
