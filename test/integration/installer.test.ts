// needs: images, cpu 0.9, memory 3 GiB
/**
 * The installer and its operator: one live system, drives plugged in one after another, the dialogue on its console, and
 * power cuts. `CLUSTEROS_PICTURES=docs/img` takes the manual's pictures.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../build/host.ts';
import type { DiskSpec } from '../../qemu/argv.ts';
import { bootLimitMs } from '../../qemu/booted.ts';
import type { Machine } from '../../qemu/machine.ts';
import { chanceSeed } from '../chance.ts';
import { eventually } from '../cluster/waits.ts';
import { howMany } from '../depth.ts';
import { plugIn, pullOut, resumeState, saveState } from '../install/hot-plug.ts';
import {
  blankDisk,
  INSTALL_LIMIT_MS,
  installedMachine,
  installMachine,
  LIVE_LIMIT_MS,
  waitForInstaller,
} from '../install/machines.ts';
import { liveMedia, makeStick } from '../install/media.ts';
import { chanceMoments, cutAt, isBootable } from '../install/power-cuts.ts';
import { asked, say, unfolded } from '../install/talk.ts';
import { usedDisk } from '../install/used-disks.ts';

const KEY = `${Buffer.alloc(32, 0x5a).toString('base64')}\n`;
const SEED = { 'clusteros/cluster.key': KEY, 'clusteros/install.yaml': 'after: wait\n' };
const CUTS = howMany(1, 20, 'power cuts at twenty moments of an installation', 35);
const PICTURES = process.env.CLUSTEROS_PICTURES;

describe('the installer at the console', () => {
  let folder: string;
  let machine: Machine;
  let begun = '';
  const saved = () => path.join(folder, 'live.qcow2');

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'cos-installer-'));
    const { usb } = await liveMedia();
    const stick = await makeStick(usb, folder, SEED);
    machine = await installMachine({ name: 'desk', folder, firmware: 'bios', disks: [stick], hotPlaces: 3 });
    await waitForInstaller(machine, /Cluster-OS installer/);
    begun = await asked(machine);
    await saveState(machine, saved());
  });
  after(async () => {
    await machine?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Plug it in, and wait until the machine has seen it. */
  async function plug(name: string, disk: DiskSpec, place = 0): Promise<void> {
    await plugIn(machine, name, disk, place);
    const look = async () => {
      await machine.guest.must(['udevadm', 'settle']);
      assert.match(await machine.guest.must(['lsblk', '--nodeps', '--output', 'SERIAL']), new RegExp(name));
      return true;
    };
    await eventually(`${name} is seen`, look, { deadlineMs: LIVE_LIMIT_MS });
  }

  /** Put these settings where the seed is, and let the installer begin again. */
  async function withSettings(text: string): Promise<string> {
    const place = '/run/clusteros/seed/clusteros';
    await machine.guest.must(['mkdir', '-p', place]);
    await machine.guest.writeFile(`${place}/install.yaml`, text);
    await say(machine, 'q');
    return unfolded(await say(machine, ''));
  }

  async function picture(name: string): Promise<void> {
    if (PICTURES === undefined) return;
    const file = path.resolve(PICTURES, `installer-${name}.png`);
    await machine.screendump(file);
    assert.ok(statSync(file).size < 60_000, `${file} has ${statSync(file).size} bytes`);
  }

  test('a machine that has only the medium is told so', () => {
    assert.match(begun, /1 +\/dev\/sd[a-z] +\S+ \S+ +.* STICK +usb\n +- the installer runs from it/);
    const why = /Nothing is installed: this machine has no disk but the one that the installer runs from\./;
    assert.match(unfolded(begun), why);
    assert.match(unfolded(begun), /To go on: connect a disk, or look at the controller\./);
  });

  test('a drive that is too small, and those that hold anything, are refused, each with its reason', async () => {
    await plug('SMALL', await blankDisk(folder, { name: 'SMALL', size: 4e9, bus: 'usb' }));
    for (const what of ['data', 'lvm', 'raid'] as const) {
      const name = what.toUpperCase();
      await plug(name, await usedDisk(folder, { name, bus: 'usb' }, what));
    }
    const said = unfolded(await say(machine, 'r'));
    assert.match(said, /SMALL usb - too small: 4\.0 GB, at least 8 GB are needed/);
    assert.match(said, /DATA usb - holds a partition table \(gpt\), partition sd[a-z]1 \(ext4 "photos"\)/);
    assert.match(said, /LVM usb - holds a volume of LVM \(LVM2_member\)/);
    assert.match(said, /RAID usb - holds a member of a RAID \(linux_raid_member\)/);
    assert.match(said, /Nothing is installed: no disk is empty and large enough/);
    assert.match(said, /To go on: connect an empty disk, or allow one to be wiped: install\.yaml, wipe:/);
    await picture('refused');
    assert.match(unfolded(await say(machine, 'SMALL')), /cannot be used: - too small/);
    assert.match(unfolded(await say(machine, 'STICK')), /cannot be used: - the installer runs from it/);
    assert.match(
      unfolded(await say(machine, 'LVM')),
      /WILL BE DESTROYED: - a volume of LVM .*Type the serial/,
    );
    assert.match(await say(machine, 'yes'), /That is not LVM/);
    assert.match(await say(machine, ''), /Nothing was done/);
  });

  test('of two empty drives none is taken without a name', async () => {
    await plug('ONE', await blankDisk(folder, { name: 'ONE' }), 0);
    await plug('TWO', await blankDisk(folder, { name: 'TWO' }), 1);
    const said = unfolded(await say(machine, 'r'));
    assert.match(said, /there are several empty disks: \/dev\/nvme\dn1, \/dev\/nvme\dn1\./);
    assert.match(said, /To go on: name one by serial: install\.yaml, disk: \{serial: \.\.\.\}/);
    for (const name of ['ONE', 'TWO']) await pullOut(machine, name);
  });

  test('the seed may allow a drive to be wiped by its serial, and must be exact for all', async () => {
    await machine.guest.must(['mount', '-t', 'tmpfs', 'seed', '/run/clusteros/seed']);
    const serial = await withSettings('wipe: DATA\n');
    assert.match(serial, />\d \S+ .* DATA usb - WILL BE DESTROYED: a partition table \(gpt\)/);
    assert.match(serial, /Type the serial of the disk \(DATA\) to install/);
    assert.match(await withSettings('wipe: all\n'), /the wipe setting matches several disks: \/dev\/sd/);
    const all = await withSettings('wipe: all\ndisk: {serial: RAID}\n');
    assert.match(all, />\d \S+ .* RAID usb - WILL BE DESTROYED: a member of a RAID/);
    assert.match(await withSettings('wipe: OTHER\n'), /Nothing is installed: no disk is empty/);
  });

  test('unattended, a refusal names every drive, its reason and what to do', async () => {
    const said = await withSettings('unattended: true\n');
    assert.match(said, /no disk is empty and large enough/);
    assert.match(said, /holds a volume of LVM.*too small|too small.*holds a volume of LVM/);
    assert.match(said, /allow one to be wiped.*Press Enter to begin again/);
    assert.match(await withSettings('unatended: true\n'), /install\.yaml.*unatended/);
  });

  test(`power cut ${CUTS} times while installing to a drive of 4096-byte sectors: it begins again and completes`, async (t) => {
    const disk = await largeSectors('NEW');
    for (const moment of chanceMoments(CUTS, String(chanceSeed(t)))) {
      const started = performance.now();
      const from = await begin(disk);
      const said = await cutAt(machine, from, moment);
      const bootable = await isBootable(disk);
      const seconds = Math.round((performance.now() - started) / 1000);
      // As it goes: a long run takes half an hour.
      process.stdout.write(
        `cut after "${said}": ${bootable ? 'a whole system' : 'no system'}; ${seconds} s\n`,
      );
      if (!bootable) continue;
      assert.match(machine.console.since(from), /Finishing/);
      await startsFrom(disk);
      await run(['qemu-img', 'create', '-q', '-f', 'qcow2', disk.file, '10G']);
    }
    const from = await begin(disk);
    await waitForInstaller(machine, /Reading back +[3-9]\d %/, { from, deadlineMs: INSTALL_LIMIT_MS });
    await picture('progress');
    const done = unfolded(await asked(machine, from, INSTALL_LIMIT_MS));
    assert.match(
      done,
      /Installed to \S+ \(.*, serial NEW\); all of it was read back\. Taken from the seed: cluster\.key/,
    );
    assert.match(done, /Pull out the stick and restart\. Type reboot or poweroff: $/);
    await picture('done');
    await machine.crash();
    assert.ok(await isBootable(disk));
    await startsFrom(disk);
  });

  /** Its first clusters are only on the disk when they were flushed: what QEMU has not written down goes with it. */
  async function largeSectors(name: string): Promise<DiskSpec> {
    const file = path.join(folder, `${name}.qcow2`);
    await run(['qemu-img', 'create', '-q', '-f', 'qcow2', file, '10G']);
    return { file, format: 'qcow2', bus: 'nvme', readonly: false, serial: name, sector: 4096 };
  }

  /** The live system as it was when it had started, with this drive, is told to install. */
  async function begin(disk: DiskSpec): Promise<number> {
    await machine.crash();
    await machine.start();
    await resumeState(machine, saved());
    await plug('NEW', disk, 2);
    const said = unfolded(await say(machine, 'r'));
    assert.match(said, /serial NEW\)\. The disk is empty\. All of it will be used\. Type yes to install/);
    await picture('dialogue');
    const from = machine.console.position;
    machine.type('yes\r');
    return from;
  }

  async function startsFrom(disk: DiskSpec): Promise<void> {
    const place = path.join(folder, 'installed');
    const installed = await installedMachine({ name: 'installed', folder: place, firmware: 'uefi', disk });
    try {
      await installed.start();
      // How a whole boot ends is what install.test.ts looks at.
      const answers = () => installed.guest.answers(5_000);
      await eventually('its guest agent answers', answers, { deadlineMs: bootLimitMs(installed.spec.accel) });
      assert.equal(await installed.guest.readText('/var/lib/clusteros/cluster.key'), KEY);
      assert.match(await installed.guest.readText('/var/lib/clusteros/install.json'), /"disk": "\/dev\/nvme/);
      const sector = await installed.guest.must(['blockdev', '--getss', '/dev/nvme0n1']);
      assert.equal(sector.trim(), '4096');
    } finally {
      await installed.dispose();
      rmSync(place, { recursive: true, force: true });
    }
  }
});
