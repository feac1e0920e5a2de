import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { files } from '../../../build/host.ts';
import { createSwitch, type Switch } from '../../../qemu/network.ts';
import { testImage } from '../../images.ts';
import type { Capability, Cluster, Machine, MachineOptions } from '../machines.ts';
import { createQemuMachine, type QemuMachine } from './machine.ts';

export interface QemuOptions extends Pick<MachineOptions, 'seed'> {
  /** How many to begin with, all from one image and one seed. */
  readonly machines: number;
  /** Our image of Debian 13, built if need be, unless given. It must stay as it is while the machines live. */
  readonly image?: string;
}

export interface QemuCluster extends Cluster {
  readonly machines: readonly QemuMachine[];
  machine(name: string): QemuMachine;
  /** Boots, which takes a minute or more, and has its agent started by systemd. */
  add(options?: MachineOptions): Promise<QemuMachine>;
}

const CAN: readonly Capability[] = ['partition', 'machine-clock', 'power'];

/**
 * Machines under QEMU, from our image of Debian 13, booted. Each has a card to the Ethernet of the cluster and one
 * to a network of its own, on which all of them have the same address, as machines behind user networking do.
 */
export async function createQemuCluster(options: QemuOptions): Promise<QemuCluster> {
  const { machines: count, seed } = options;
  const image = options.image ?? (await testImage('debian-13')).image;
  const folder = await files.makeWorkFolder(tmpdir(), 'coscluster');
  const net = await createSwitch();
  const machines: QemuMachine[] = [];

  const make = async (wanted: MachineOptions): Promise<QemuMachine> => {
    if (wanted.address !== undefined || wanted.environment !== undefined) {
      throw new Error('a machine under QEMU has its own addresses and the environment of the image');
    }
    const name = wanted.name ?? `n${machines.length + 1}`;
    const machine = await createQemuMachine({
      name,
      image,
      folder: path.join(folder, name),
      port: await net.plug(name),
      seed: wanted.seed ?? seed,
    });
    machines.push(machine);
    return machine;
  };

  const dispose = async () => {
    for (const machine of machines) await machine.dispose();
    await net.close();
    await files.remove(folder);
  };

  try {
    for (let made = 0; made < count; made++) await make({});
    await Promise.all(machines.map((machine) => machine.powerOn()));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    ...links(net, machines),
    backend: 'qemu',
    can: new Set(CAN),
    machines,
    machine(name) {
      const found = machines.find((each) => each.name === name);
      if (found === undefined) throw new Error(`no machine is called ${name}`);
      return found;
    },
    async add(wanted = {}) {
      const machine = await make(wanted);
      await machine.powerOn();
      return machine;
    },
    dispose,
    loss: () => unable('lose frames'),
    rate: () => unable('limit the rate of a link'),
    copyState: () => unable('copy the state of a machine'),
  };
}

function links(net: Switch, machines: readonly QemuMachine[]) {
  /** @param together whether two of these may hear each other */
  const connect = (together: (one: Machine, other: Machine) => boolean) => {
    for (const [index, one] of machines.entries()) {
      for (const other of machines.slice(index + 1)) net.setLink(one.name, other.name, together(one, other));
    }
  };
  const cable = async (machine: Machine, up: boolean) => {
    net.setCable(machine.name, up);
    await machines.find((each) => each === machine)?.setCarrier(up);
  };
  return {
    cutLink: (machine: Machine) => cable(machine, false),
    restoreLink: (machine: Machine) => cable(machine, true),
    partition: async (groups: readonly (readonly Machine[])[]) =>
      connect((one, other) => groups.some((group) => group.includes(one) && group.includes(other))),
    heal: async () => connect(() => true),
  };
}

async function unable(what: string): Promise<never> {
  throw new Error(`QEMU's back end cannot ${what}`);
}
