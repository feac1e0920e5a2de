import * as path from 'node:path';
import { clock, files } from '../../../build/host.ts';
import { waitUntilBooted } from '../../../qemu/booted.ts';
import type { Machine as Hardware } from '../../../qemu/machine.ts';
import { makeOverlay } from '../../../qemu/prepare.ts';
import { makeNode } from '../../nodes.ts';
import type { Machine, Seed } from '../machines.ts';
import { agentUnit, IMAGE_PATHS } from '../systemd/agent-unit.ts';
import { recordOf } from '../systemd/record.ts';
import { readStatus } from '../systemd/status.ts';
import { eventually } from '../waits.ts';
import { writeSeed } from './seed.ts';

export interface QemuMachine extends Machine {
  readonly hardware: Hardware;
  /** Whether the card on the cluster's Ethernet sees the other end of its cable, until the power goes. */
  setCarrier(up: boolean): Promise<void>;
  dispose(): Promise<void>;
}

interface QemuMachineOptions {
  readonly name: string;
  readonly image: string;
  readonly folder: string;
  readonly port: { readonly socket: string };
  readonly seed?: Seed | undefined;
}

/** The card on the cluster's Ethernet, as QEMU calls it; the first one is user networking. */
const LAN_DEVICE = 'net1';
const LAN_CARD = 'enp0s17';
/** A program that takes a second takes half a minute when the machine is emulated and its host has much to do. */
const RUN_MS = 180_000;
const ASKING = { ask: readStatus, everyMs: 2_000 };

/** A machine with a disk, off. */
export async function createQemuMachine(options: QemuMachineOptions): Promise<QemuMachine> {
  const { name, image, folder, port } = options;
  const seedFile = path.join(folder, 'seed.iso');
  await files.makeFolder(folder, 0o700);
  await writeSeed(options.seed ?? {}, seedFile);
  const hardware = await makeNode({
    name,
    image,
    folder,
    seed: seedFile,
    network: [
      { kind: 'user', isolated: true, guestPorts: [] },
      { kind: 'switch', socket: port.socket },
    ],
  });
  const { guest } = hardware;
  let address = '';

  const lanAddress = async () => {
    const shown = await machine.must(['ip', '-json', '-4', 'address', 'show', 'dev', LAN_CARD]);
    const [card] = JSON.parse(shown) as { addr_info: { local: string }[] }[];
    return card?.addr_info[0]?.local;
  };

  const machine: QemuMachine = {
    ...agentUnit(() => machine, ASKING),
    name,
    paths: IMAGE_PATHS,
    hardware,
    get address() {
      return address;
    },
    get on() {
      return hardware.running;
    },
    async exec(argv, more = {}) {
      const { exitCode, ...said } = await guest.run(argv, { timeoutMs: RUN_MS, ...more });
      return { ...said, code: exitCode };
    },
    must: (argv, more) => guest.must(argv, { timeoutMs: RUN_MS, ...more }),
    readText: (file) => guest.readText(file),
    async writeFile(file, data, mode = 0o644) {
      await machine.must(['mkdir', '-p', path.dirname(file)]);
      await guest.writeFile(file, data);
      await machine.must(['chmod', mode.toString(8), file]);
    },

    powerCut: () => hardware.crash(),
    async powerOn() {
      await hardware.start();
      await waitUntilBooted(hardware);
      address = await eventually(`${name} to have an address on the LAN`, lanAddress, {
        deadlineMs: RUN_MS,
        everyMs: 2_000,
      });
    },
    async wipe(which) {
      if (hardware.running) {
        await machine.must(['rm', '-rf', ...(which ?? [IMAGE_PATHS.state])]);
        return;
      }
      if (which !== undefined) throw new Error(`${name} is off: only its whole disk can be replaced`);
      const disk = hardware.spec.disks[0]?.file ?? '';
      await files.remove(disk);
      await makeOverlay(image, disk);
    },
    setSeed: (seed) => writeSeed(seed, seedFile),
    readdress: () => unable('give an address'),
    async shiftClock(ms) {
      const seconds = Math.round((clock.wallClock().getTime() + ms) / 1000);
      await machine.must(['date', '--utc', '--set', `@${seconds}`]);
    },
    fillDisk: () => unable('fill a disk'),
    freeDisk: () => unable('fill a disk'),
    setCarrier: async (up) => {
      if (hardware.running) await hardware.qmp.execute('set_link', { name: LAN_DEVICE, up });
    },
    record: () => recordOf(machine, hardware.console.lastLines(40)),
    dispose: () => hardware.dispose(),
  };
  return machine;
}

async function unable(what: string): Promise<never> {
  throw new Error(`QEMU's back end cannot ${what}`);
}
