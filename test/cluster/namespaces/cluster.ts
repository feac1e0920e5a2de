import { type InstalledAgent, installAgent, installBuiltAgent } from '../agent-bundle.ts';
import type { Capability, Cluster, Machine, MachineOptions } from '../machines.ts';
import { type FrameFaults, NO_FAULTS } from './frames.ts';
import { type LinkSpec, makeDisk, portOf } from './host.ts';
import { cloneState, createMachine, type HostMachine } from './machine.ts';
import { entering, runToEnd, runWell } from './programs.ts';
import { createRig, type Rig } from './rig.ts';

interface HostMachineOptions extends MachineOptions {
  /** Instead of one link to the first network. */
  readonly links?: readonly LinkSpec[];
  readonly gateway?: string;
  /** The disk has a limited size and can be filled. It takes memory: etcd alone wants 130 MiB. */
  readonly diskMiB?: number;
  /** Programs that the host does not have, such as `serf`. */
  readonly hide?: readonly string[];
  /** shiftClock works. */
  readonly agentClock?: boolean;
}

export interface NamespaceOptions extends Omit<HostMachineOptions, 'name' | 'address' | 'links'> {
  /** How many to begin with, alike; all the other options are theirs and those of later ones. */
  readonly hosts: number;
  /** Switches; `lan` unless given. */
  readonly networks?: readonly string[];
  /** The rig's own address on the first network, for programs of {@link NamespaceCluster.inRig}. */
  readonly rigAddress?: string;
  /** The built agent, a file; a bundle of the sources unless given. */
  readonly program?: string;
}

export interface NamespaceCluster extends Cluster {
  readonly machines: readonly HostMachine[];
  machine(name: string): HostMachine;
  add(options?: HostMachineOptions): Promise<HostMachine>;
  /** Run a program on the switch, so to say: in the rig's own network. @returns its stdout */
  inRig(
    argv: readonly string[],
    options?: { readonly input?: string; readonly timeoutMs?: number },
  ): Promise<string>;
  readonly rig: Rig;
}

const CAN: readonly Capability[] = [
  'partition',
  'loss',
  'rate',
  'readdress',
  'agent-clock',
  'fill-disk',
  'power',
  'copy-state',
];
/** Starting a host is mostly waiting for the kernel. */
const AT_A_TIME = 8;

/**
 * Hosts as network namespaces: each has its own network, processes, host name, /run, /tmp, /etc/hosts and disk,
 * and reads the rest of this machine. Root only.
 */
export async function createNamespaceCluster(options: NamespaceOptions): Promise<NamespaceCluster> {
  const { hosts, networks = ['lan'], rigAddress, program, ...usual } = options;
  const rig = await createRig(networks, rigAddress);
  try {
    const agent = program === undefined ? installAgent(rig.folder) : installBuiltAgent(rig.folder, program);
    const cluster = clusterIn(rig, networks[0] ?? 'lan', agent, usual);
    // add() takes its number before it first waits.
    const worker = async () => {
      while (cluster.machines.length < hosts) await cluster.add();
    };
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, hosts) }, worker));
    return cluster;
  } catch (error) {
    await rig.dispose();
    throw error;
  }
}

function clusterIn(
  rig: Rig,
  network: string,
  agent: InstalledAgent,
  usual: HostMachineOptions,
): NamespaceCluster {
  const machines: HostMachine[] = [];
  let faults: FrameFaults = NO_FAULTS;
  const setFaults = async (next: FrameFaults) => {
    await rig.setFrameFaults(next);
    faults = next;
  };
  const ports = (machine: Machine) =>
    hostOf(machine).spec.links.map((_, index) => portOf(machine.name, index));
  const hostOf = (machine: Machine) => {
    const found = machines.find((each) => each === machine);
    if (found === undefined) throw new Error(`${machine.name} is of another cluster`);
    return found;
  };
  const setLink = async (machine: Machine, state: 'up' | 'down') =>
    rig.ip(ports(machine).map((port) => `link set ${port} ${state}`));

  const cluster: NamespaceCluster = {
    backend: 'namespaces',
    can: new Set(CAN),
    machines,
    rig,
    machine(name) {
      const found = machines.find((each) => each.name === name);
      if (found === undefined) throw new Error(`no machine is called ${name}`);
      return found;
    },
    async add(more = {}) {
      const wish = { ...usual, ...more };
      const number = machines.length + 1;
      const name = more.name ?? `n${number}`;
      if (!/^[a-z][a-z0-9-]{0,12}$/.test(name) || machines.some((each) => each.name === name)) {
        throw new Error(`${name} is taken, or no name for a host of the rig`);
      }
      const address = more.address ?? `10.99.${number >> 8}.${number & 255}/16`;
      const spec = {
        name,
        number,
        links: more.links ?? [{ network, address }],
        gateway: wish.gateway,
        diskMiB: wish.diskMiB,
        hide: wish.hide ?? [],
      };
      const machine = createMachine(rig, spec, agent, wish);
      machines.push(machine);
      await makeDisk(rig, spec);
      await machine.powerOn();
      return machine;
    },
    inRig: (argv, more) => rig.run(argv, more),
    async dispose() {
      await Promise.all([rig.dispose(), ...machines.map((machine) => machine.killAgent())]);
    },
    cutLink: (machine) => setLink(machine, 'down'),
    restoreLink: (machine) => setLink(machine, 'up'),
    partition: (groups) => setFaults({ ...faults, groups: groups.map((group) => group.flatMap(ports)) }),
    async heal() {
      await setFaults(NO_FAULTS);
      await limitRate(rig, machines, 0);
    },
    loss: (lossPercent) => setFaults({ ...faults, lossPercent }),
    rate: (kbit) => limitRate(rig, machines, kbit),
    copyState: async (from, to) => cloneState(hostOf(from), hostOf(to)),
  };
  return cluster;
}

/** Both ends of each cable: a token bucket shapes only what leaves. Holds until the next power cut. */
async function limitRate(rig: Rig, machines: readonly HostMachine[], kbit: number): Promise<void> {
  for (const machine of machines.filter(({ on }) => on)) {
    for (const index of machine.spec.links.keys()) {
      await shape(rig.init, portOf(machine.name, index), kbit);
      await shape(machine.init, `eth${index}`, kbit);
    }
  }
}

async function shape(pid: number, device: string, kbit: number): Promise<void> {
  const tc = (...words: string[]) => entering(pid, ['--net'], ['tc', 'qdisc', ...words]);
  if (kbit > 0) {
    const bucket = ['rate', `${kbit}kbit`, 'burst', '16kb', 'latency', '200ms'];
    await runWell(tc('replace', 'dev', device, 'root', 'tbf', ...bucket));
    return;
  }
  // Without a limit there is nothing to delete.
  await runToEnd(tc('del', 'dev', device, 'root'));
}
