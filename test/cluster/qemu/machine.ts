import * as path from 'node:path';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock, files } from '../../../build/host.ts';
import { waitUntilBooted } from '../../../qemu/booted.ts';
import type { Machine as Hardware } from '../../../qemu/machine.ts';
import { makeOverlay } from '../../../qemu/prepare.ts';
import { makeNode } from '../../nodes.ts';
import type { Machine, MachineProcess, Seed } from '../machines.ts';
import { brief } from '../status.ts';
import { eventually } from '../waits.ts';
import { processesIn } from './processes.ts';
import { recordOf } from './record.ts';
import { writeSeed } from './seed.ts';
import { askStatus } from './status.ts';

export interface QemuMachine extends Machine {
  readonly hardware: Hardware;
  /** Whether the card on the cluster's Ethernet sees the other end of its cable, until the power goes. */
  setCarrier(up: boolean): Promise<void>;
  dispose(): Promise<void>;
}

export interface QemuMachineOptions {
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
const AGENT = 'node-agent.service';
/** Asking costs an emulated machine more than its agent's own work: not more often than this. */
const ASK_EVERY_MS = 4_000;

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
  const paths = {
    state: '/var/lib/clusteros',
    run: '/run/clusteros',
    config: '/etc/clusteros/node.yaml',
    hosts: '/etc/hosts',
  };
  let address = '';
  let asked: { readonly atMs: number; readonly answer: Promise<StatusDocument> } | undefined;

  const lanAddress = async () => {
    const shown = await machine.must(['ip', '-json', '-4', 'address', 'show', 'dev', LAN_CARD]);
    const [card] = JSON.parse(shown) as { addr_info: { local: string }[] }[];
    return card?.addr_info[0]?.local;
  };

  const machine: QemuMachine = {
    name,
    paths,
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

    startAgent: async () => void (await machine.must(['systemctl', 'start', AGENT])),
    stopAgent: async () => void (await machine.must(['systemctl', 'stop', AGENT])),
    // systemd starts it again after two seconds.
    killAgent: async () => void (await machine.must(['systemctl', 'kill', '--signal=KILL', AGENT])),
    agentExit: () => undefined,
    async kill(programName, signal) {
      const found = (await machine.processes()).filter((each) => each.name === programName);
      const numbers = found.map(({ pid }) => String(pid));
      if (numbers.length > 0) await machine.exec(['kill', `-${signal}`, ...numbers]);
      return numbers.length;
    },
    processes: async (): Promise<MachineProcess[]> =>
      hardware.running ? processesIn(await machine.must(['ps', '-ww', '-eo', 'pid=,args='])) : [],

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
        await machine.must(['rm', '-rf', ...(which ?? [paths.state])]);
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

    agentStatus() {
      const nowMs = clock.monotonicMs();
      if (asked === undefined || nowMs - asked.atMs >= ASK_EVERY_MS) {
        asked = { atMs: nowMs, answer: askStatus(machine) };
      }
      return asked.answer;
    },
    async until(sentence, wanted, deadlineMs) {
      return eventually(
        `${name}: ${sentence}`,
        async () => {
          const status = await machine.agentStatus();
          if (!wanted(status)) throw new Error(brief(status));
          return status;
        },
        { deadlineMs, everyMs: ASK_EVERY_MS },
      );
    },
    record: () => recordOf(machine),
    dispose: () => hardware.dispose(),
  };
  return machine;
}

async function unable(what: string): Promise<never> {
  throw new Error(`QEMU's back end cannot ${what}`);
}
