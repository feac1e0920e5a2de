// needs: images, cpu 0.9, memory 3 GiB
/**
 * What an operator does with a live medium: start a machine with an empty disk from it, let it be installed to, take the
 * medium away, and start the machine again. The next machine that is installed so joins the first.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DiskSpec, FirmwareKind } from '../../qemu/argv.ts';
import { waitUntilBooted } from '../../qemu/booted.ts';
import type { Machine } from '../../qemu/machine.ts';
import { depth } from '../depth.ts';
import {
  blankDisk,
  INSTALL_LIMIT_MS,
  installedMachine,
  installMachine,
  LIVE_LIMIT_MS,
  waitForInstaller,
} from '../install/machines.ts';
import { disc, liveMedia, type MediumKind, makeStick, seedVolume } from '../install/media.ts';
import { createPair, joined, type Pair } from '../install/pairs.ts';
import { asked } from '../install/talk.ts';
import { readyStatus } from '../nodes.ts';

const KEY = Buffer.alloc(32, 0x5a).toString('base64');
const UNATTENDED = {
  'clusteros/install.yaml': 'unattended: true\nafter: poweroff\n',
  'clusteros/cluster.key': `${KEY}\n`,
  'clusteros/node.yaml': 'cluster: {name: installed}\nconsensus: {timers: slow}\nroles: {lease: 30}\n',
};

type Media = Awaited<ReturnType<typeof liveMedia>>;
type Start = readonly [MediumKind, FirmwareKind];

/** Of each two the second one joins the first: once from a stick, once from a disc, once by each firmware. */
const PAIRS: readonly (readonly [Start, Start])[] = [
  [
    ['iso', 'secureboot'],
    ['usb', 'bios'],
  ],
  [
    ['usb', 'secureboot'],
    ['iso', 'bios'],
  ],
];
/** A stick that is started by BIOS is installed from in installer.test.ts too, by its operator. */
const MORE = depth(
  'three more media and boot chains installed from; of each two machines one joins the other',
  20,
);

interface Prepared {
  readonly folder: string;
  readonly disk: DiskSpec;
  readonly machine: Machine;
}

async function prepare(media: Media, [kind, firmware]: Start, folder: string): Promise<Prepared> {
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
  const pairs: Pair[] = [];
  before(async () => {
    media = await liveMedia();
    for (const _ of PAIRS) pairs.push(await createPair());
  });
  after(async () => {
    for (const pair of pairs) await pair.dispose();
  });

  for (const [number, starts] of PAIRS.entries()) {
    for (const [place, start] of starts.entries()) {
      const [kind, firmware] = start;
      const name = `${kind}-${firmware}`;
      const skip = number + place === 0 ? false : MORE;
      describe(`${kind}, started by ${firmware}`, { concurrency: 1, skip }, () => {
        let folder: string;
        let prepared: Prepared;
        let installed: Machine;
        const pair = () => pairs[number] as Pair;
        before(async () => {
          folder = mkdtempSync(path.join(tmpdir(), 'cos-install-'));
          pair().later(async () => rmSync(folder, { recursive: true, force: true }));
          prepared = await prepare(media, start, folder);
        });
        after(async () => {
          await prepared?.machine.dispose();
          // The first one goes on, to be joined, though others are installed meanwhile.
          if (place === 0) pair().giveUp();
          else await pair().dispose();
        });

        test('installs to the only empty disk without a question, and switches off', async (t) => {
          const { machine } = prepared;
          await waitForInstaller(machine, /Cluster-OS installer/);
          await waitForInstaller(machine, /Writing/);
          // It is no node: nothing of the cluster runs on a live system.
          const services = ['node-agent', 'clusteros-serf', 'ssh'];
          // A guest that writes as fast as it can has little time for its agent.
          assert.ok(await machine.guest.answers(LIVE_LIMIT_MS), 'the guest agent does not answer');
          const units = await machine.guest.run(['systemctl', 'is-active', ...services], {
            timeoutMs: LIVE_LIMIT_MS,
          });
          assert.deepEqual(units.stdout.trim().split('\n'), ['inactive', 'inactive', 'inactive']);
          const done = /Installed to (\/dev\/\S+) [\s\S]*Taken from the seed: (.*)\.[\r\n]/;
          const shown = await waitForInstaller(machine, done, { deadlineMs: INSTALL_LIMIT_MS });
          assert.equal(shown[1], '/dev/nvme0n1');
          assert.equal(shown[2], 'cluster.key, node.yaml');
          await machine.ended();
          t.diagnostic(shown[0]);
        });

        const what = place === 0 ? 'is a node' : 'joins the node that runs';
        test(`leaves a machine that starts without it, and ${what}`, async (t) => {
          await prepared.machine.dispose();
          const lan = await pair().plug(name);
          installed = await installedMachine({ name, folder, firmware, disk: prepared.disk, lan });
          pair().later(() => installed.dispose());
          const first = place === 0 ? undefined : await pair().first;
          await installed.start();
          await waitUntilBooted(installed);
          await isInOrder(installed, firmware);
          if (first === undefined) {
            const status = await readyStatus(installed);
            assert.match(JSON.stringify(status), /installed/);
            pair().settle({ machine: installed, status });
          } else {
            const started = performance.now();
            const { name: joiner, tookOver } = await joined(first, installed);
            const seconds = Math.round((performance.now() - started) / 1000);
            const whose = tookOver ? 'its cluster' : 'one cluster';
            t.diagnostic(`${joiner} and ${first.status.name} are ${whose} of two after ${seconds} s`);
          }
        });
      });
    }
  }
});

const HYBRID = depth('a disc that is written to a stick, started by BIOS and UEFI', 5);

// A disc is hybrid: it starts as a disk too, by both firmwares.
describe('a disc written to a stick', { concurrency: 2, skip: HYBRID }, () => {
  let media: Media;
  before(async () => {
    media = await liveMedia();
  });

  for (const firmware of ['bios', 'uefi'] as const) {
    test(`started by ${firmware} shows the disks and asks`, async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'cos-start-'));
      const stick = { ...disc(media.iso), bus: 'usb', serial: 'STICK' } as const;
      const disks = [stick, await blankDisk(folder, { name: 'EMPTY' })];
      const machine = await installMachine({ name: `disc-${firmware}`, folder, firmware, disks });
      try {
        await machine.start();
        const said = await asked(machine);
        assert.match(said, /\d +\/dev\/sd[a-z] +\S+ \S+ +.* STICK +usb\n +- the installer runs from it/);
        assert.match(said, />\d +\/dev\/nvme0n1 .* EMPTY +nvme/);
        const chain = await machine.guest.run(['mokutil', '--sb-state']);
        const state = firmware === 'uefi' ? /SecureBoot disabled/ : /EFI variables are not supported/;
        assert.match(chain.stdout + chain.stderr, state);
      } finally {
        await machine.dispose();
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});

/** Its root has the whole disk, and it was started by the boot chain that was asked for. */
async function isInOrder({ guest }: Machine, firmware: FirmwareKind): Promise<void> {
  const root = await guest.must(['findmnt', '--noheadings', '--bytes', '--output', 'SIZE,SOURCE', '/']);
  const [size, source] = root.trim().split(/\s+/);
  assert.equal(source, '/dev/nvme0n1p3');
  assert.ok(Number(size) > 9e9, `the root has grown to ${size} bytes`);
  assert.match(await guest.must(['sfdisk', '--verify', '/dev/nvme0n1']), /No errors detected/);
  const state = await guest.run(['mokutil', '--sb-state']);
  const secure = firmware === 'secureboot' ? /SecureBoot enabled/ : /EFI variables are not supported/;
  assert.match(state.stdout + state.stderr, secure);
}
