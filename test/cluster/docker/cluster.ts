import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { networkArgv } from '../../../build/docker/argv.ts';
import { listNodes, removeCluster } from '../../../build/docker/cluster.ts';
import type { Engine } from '../../../build/docker/engine.ts';
import {
  addressOf,
  containerName,
  DEFAULT_SUBNET,
  type NodeSpec,
  networkOf,
  type QuickCluster,
} from '../../../build/docker/spec.ts';
import { files } from '../../../build/host.ts';
import type { Capability, Cluster, Machine, MachineOptions, Seed } from '../machines.ts';
import { type DockerMachine, dockerMachine, startContainer, unable } from './machine.ts';
import { rulesAgainst } from './packets.ts';
import { writeSeedFolder } from './seed.ts';

interface DockerOptions {
  readonly engine: Engine;
  /** That of a quick cluster: what `cluster up` has made of that name are the first machines. */
  readonly name: string;
  /** Of the target docker, and loaded. */
  readonly image: string;
  /** How many there are in the beginning, at least; `cluster up` gives its own another seed. */
  readonly machines?: number;
  readonly seed?: Seed;
  /** 10.90.0.0/16 unless given. */
  readonly subnet?: string;
}

export interface DockerCluster extends Cluster {
  readonly machines: readonly DockerMachine[];
  machine(name: string): DockerMachine;
  /** Its agent is started by systemd. `node6` unless it has a name. */
  add(options?: MachineOptions): Promise<DockerMachine>;
  remove(machine: DockerMachine): Promise<void>;
}

const CAN: readonly Capability[] = ['partition', 'readdress', 'power'];

/**
 * Containers of the target docker as machines. All have the kernel, the clock and the disk of this machine: a power
 * cut ends every process at one instant, and loses nothing that was written and not yet on the disk.
 */
export async function createDockerCluster(options: DockerOptions): Promise<DockerCluster> {
  const { engine, name: clusterName, image, subnet = DEFAULT_SUBNET } = options;
  const seeds = await files.makeWorkFolder(tmpdir(), 'cosseeds');
  const machines: DockerMachine[] = [];
  let groups: readonly (readonly Machine[])[] | undefined;

  const quick = (seed: string): QuickCluster => {
    return { name: clusterName, image, nodes: 0, subnet, seed, environment: {} };
  };
  const enforce = async (machine: DockerMachine) => {
    const together = groups?.find((group) => group.includes(machine)) ?? [machine];
    const others = groups === undefined ? [] : machines.filter((each) => !together.includes(each));
    await machine.must(['nft', '-f', '-'], { input: rulesAgainst(others.map(({ address }) => address)) });
  };
  const enforceAll = async () => {
    await Promise.all(machines.filter(({ on }) => on).map(enforce));
  };
  // What the kernel knew of a partition went with the power.
  const onPowerOn = async (machine: DockerMachine) => {
    if (groups !== undefined) await enforce(machine);
  };

  const add = async (wish: MachineOptions = {}): Promise<DockerMachine> => {
    const number = machines.length + 1;
    const name = wish.name ?? `node${number}`;
    if (machines.some((each) => each.name === name)) throw new Error(`there is a machine ${name} already`);
    const cluster = quick(path.join(seeds, name));
    const [first] = machines;
    const node: NodeSpec = {
      name,
      container: containerName(clusterName, name),
      volume: containerName(clusterName, name),
      address: wish.address?.replace(/\/\d+$/, '') ?? addressOf(subnet, number),
      environment: {
        NODE_NAME: name,
        ...(first === undefined ? {} : { NODE_JOIN: first.address }),
        ...wish.environment,
      },
    };
    await files.makeFolder(cluster.seed, 0o700);
    await writeSeedFolder(wish.seed ?? options.seed ?? {}, cluster.seed);
    const machine = dockerMachine({ engine, cluster, node, ownSeed: true, onPowerOn });
    await startContainer(engine, cluster, node);
    machines.push(machine);
    return machine;
  };
  const dispose = async () => {
    await removeCluster(engine, clusterName);
    await files.remove(seeds);
  };

  try {
    for (const { name, container, address } of await listNodes(engine, clusterName)) {
      const node = { name, container, volume: container, address, environment: {} };
      machines.push(dockerMachine({ engine, cluster: quick(''), node, ownSeed: false, onPowerOn }));
    }
    const network = await engine.try(['network', 'inspect', networkOf(quick(''))]);
    if (network.exitCode !== 0) await engine.run(networkArgv(quick('')));
    while (machines.length < (options.machines ?? 0)) await add();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    backend: 'docker',
    can: new Set(CAN),
    machines,
    machine(name) {
      const found = machines.find((each) => each.name === name);
      if (found === undefined) throw new Error(`no machine is called ${name}`);
      return found;
    },
    add,
    async remove(machine) {
      await machine.remove();
      machines.splice(machines.indexOf(machine), 1);
    },
    dispose,
    cutLink: (machine) => of(machines, machine).setCable(false),
    restoreLink: (machine) => of(machines, machine).setCable(true),
    async partition(wanted) {
      groups = wanted;
      await enforceAll();
    },
    async heal() {
      groups = undefined;
      await enforceAll();
    },
    loss: () => unable('lose packets'),
    rate: () => unable('limit the rate of a link'),
    copyState: () => unable('copy the state of a machine'),
  };
}

function of(machines: readonly DockerMachine[], machine: Machine): DockerMachine {
  const found = machines.find((each) => each === machine);
  if (found === undefined) throw new Error(`${machine.name} is of another cluster`);
  return found;
}
