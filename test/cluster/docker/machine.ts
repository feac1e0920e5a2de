import { runArgv, volumeArgv } from '../../../build/docker/argv.ts';
import type { Engine } from '../../../build/docker/engine.ts';
import { type NodeSpec, networkOf, type QuickCluster, STATE_PLACE } from '../../../build/docker/spec.ts';
import { clock, files, pasteable } from '../../../build/host.ts';
import type { Machine, Seed } from '../machines.ts';
import { agentUnit, IMAGE_PATHS } from '../systemd/agent-unit.ts';
import { recordOf } from '../systemd/record.ts';
import { askStatus } from '../systemd/status.ts';
import { eventually } from '../waits.ts';
import { writeSeedFolder } from './seed.ts';

export interface DockerMachine extends Machine {
  readonly node: NodeSpec;
  /** Take its interface away, or give it back. */
  setCable(plugged: boolean): Promise<void>;
  /** With its state. */
  remove(): Promise<void>;
}

interface DockerMachineOptions {
  readonly engine: Engine;
  /** Its `seed` is the folder that is mounted. */
  readonly cluster: QuickCluster;
  readonly node: NodeSpec;
  /** Whether the seed's folder is this machine's alone, to be changed. */
  readonly ownSeed: boolean;
  /** After each start, as soon as its network is there. */
  readonly onPowerOn: (machine: DockerMachine) => Promise<void>;
}

/** Each look is a process in the container. */
const ASKING = { ask: askStatus, everyMs: 1_000 };
const RUN_MS = 60_000;
const BOOT_MS = 240_000;
/** How long docker itself may take on a machine with much to do. */
const DOCKER_MS = 60_000;
/** As timeout(1) ends when it had to kill; and any program that SIGKILL ended. */
const KILLED = 128 + 9;

/** The machine of a container that runs. */
export function dockerMachine({
  engine,
  cluster,
  node,
  ownSeed,
  onPowerOn,
}: DockerMachineOptions): DockerMachine {
  const { name, container } = node;
  let { address } = node;
  let on = true;

  /** A program on the state of a machine that is off, in a container of its own that goes. */
  const besides = async ([program = '', ...words]: readonly string[]) => {
    const volumes = ['--volume', `${node.volume}:${STATE_PLACE}`];
    await engine.run(
      ['run', '--rm', '--network', 'none', '--entrypoint', program, ...volumes, cluster.image, ...words],
      { timeoutMs: DOCKER_MS },
    );
  };
  const network = (...words: string[]) => engine.run(['network', ...words, networkOf(cluster), container]);

  const machine: DockerMachine = {
    ...agentUnit(() => machine, ASKING),
    name,
    node,
    paths: IMAGE_PATHS,
    get address() {
      return address;
    },
    get on() {
      return on;
    },
    async exec(argv, { timeoutMs = RUN_MS, input } = {}) {
      if (!on) throw new Error(`${name} is off`);
      // Ending docker's client would leave the program in the container.
      const limited = ['timeout', '--signal=KILL', `${timeoutMs / 1000}s`, ...argv];
      const stdin = input === undefined ? [] : ['--interactive'];
      const startMs = clock.monotonicMs();
      const { exitCode, stdout, stderr } = await engine.try(['exec', ...stdin, container, ...limited], {
        timeoutMs: timeoutMs + DOCKER_MS,
        ...(input === undefined ? {} : { input }),
      });
      if (exitCode === KILLED && clock.monotonicMs() - startMs >= timeoutMs) {
        throw new Error(
          `${pasteable(argv)} on ${name} did not end within ${timeoutMs} ms:\n${stdout}${stderr}`,
        );
      }
      return { code: exitCode, stdout, stderr };
    },
    async must(argv, more) {
      const { code, stdout, stderr } = await machine.exec(argv, more);
      if (code !== 0)
        throw new Error(`${pasteable(argv)} on ${name} ended with ${code}:\n${stdout}${stderr}`);
      return stdout;
    },
    readText: (file) => machine.must(['cat', file]),
    async writeFile(file, data, mode = 0o644) {
      await machine.must(['install', '-D', `--mode=${mode.toString(8)}`, '/dev/stdin', file], {
        input: data,
      });
    },

    async powerCut() {
      await engine.run(['kill', container]);
      on = false;
    },
    async powerOn() {
      await engine.run(['start', container], { timeoutMs: DOCKER_MS });
      on = true;
      await onPowerOn(machine);
      await eventually(`${name} is up`, () => isUp(machine), { deadlineMs: BOOT_MS, everyMs: 1_000 });
    },
    async wipe(which) {
      // The folder itself is where a volume is mounted.
      const all = ['find', IMAGE_PATHS.state, '-mindepth', '1', '-delete'];
      if (on) await machine.must(which === undefined ? all : ['rm', '-rf', ...which]);
      else if (which === undefined) await besides(all);
      else throw new Error(`${name} is off: only its whole state can be wiped`);
    },
    async setSeed(seed: Seed) {
      if (!ownSeed) throw new Error(`the seed of ${name} is that of all nodes that \`cluster up\` has made`);
      await writeSeedFolder(seed, cluster.seed);
    },
    async readdress(wanted) {
      address = wanted.replace(/\/\d+$/, '');
      await machine.setCable(false);
      await machine.setCable(true);
    },
    shiftClock: () => unable("move a machine's clock: all containers have that of this machine"),
    fillDisk: () => unable('fill a disk: all containers have that of this machine'),
    freeDisk: () => unable('fill a disk: all containers have that of this machine'),
    async setCable(plugged) {
      if (!plugged) await network('disconnect');
      else await network('connect', '--ip', address);
    },
    async record() {
      const { stdout, stderr } = await engine.try(['logs', '--tail', '40', container]);
      return recordOf(machine, `${stdout}${stderr}`);
    },
    async remove() {
      await engine.run(['rm', '--force', '--volumes', container]);
      await engine.run(['volume', 'rm', node.volume]);
      if (ownSeed) await files.remove(cluster.seed);
    },
  };
  return machine;
}

/** Make the container, and let it run. */
export async function startContainer(engine: Engine, cluster: QuickCluster, node: NodeSpec): Promise<void> {
  await engine.run(volumeArgv(cluster, node));
  await engine.run(runArgv(cluster, node));
}

/** Some units of a whole system may fail: what runs is for the scenario to judge. */
async function isUp(machine: Machine): Promise<boolean> {
  const { stdout, stderr } = await machine.exec(['systemctl', 'is-system-running']);
  if (!/^(running|degraded)$/m.test(stdout)) throw new Error(`systemd says: ${stdout}${stderr}`.trim());
  return true;
}

/** What the back end cannot do, as an error. */
export async function unable(what: string): Promise<never> {
  throw new Error(`Docker's back end cannot ${what}`);
}
