import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import type { InstalledAgent } from '../agent-bundle.ts';
import type { Machine, MachineOptions, Seed } from '../machines.ts';
import { askStatus, brief } from '../status.ts';
import { eventually } from '../waits.ts';
import { clockEnvironment, offsetText } from './agent-clock.ts';
import { type AgentRun, createAgentLog, startAgentProcess } from './agent-process.ts';
import { fillFolder, freeFolder } from './disk-filler.ts';
import { foldersOf, type HostSpec, powerDown, powerUp } from './host.ts';
import { processesBeside } from './processes.ts';
import { entering, type Holder, PATH, runToEnd, runWell, signal } from './programs.ts';
import { recordOf } from './record.ts';
import { ipBatch, type Rig } from './rig.ts';

export interface HostMachine extends Machine {
  /** Process id of the host's first process, for nsenter. @throws Error when it is off */
  readonly init: number;
  readonly spec: HostSpec;
  /** A path inside as a path of the test. */
  outside(inside: string): string;
}

interface HostOptions extends Pick<MachineOptions, 'environment' | 'seed'> {
  /** The agent's wall clock can be shifted, by libfaketime. */
  readonly agentClock?: boolean;
}

/** A host with its disk made, off. */
export function createMachine(
  rig: Rig,
  first: HostSpec,
  agent: InstalledAgent,
  options: HostOptions,
): HostMachine {
  const folders = foldersOf(rig, first.name);
  const log = createAgentLog(path.join(folders.own, 'agent.log'));
  const paths = {
    state: path.join(folders.disk, 'state'),
    run: '/run/clusteros',
    config: path.join(folders.etc, 'node.yaml'),
    hosts: '/etc/hosts',
  };
  const environment = {
    PATH: `${agent.bin}:${PATH}`,
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    CLUSTEROS_STATE_DIR: paths.state,
    CLUSTEROS_RUN_DIR: paths.run,
    CLUSTEROS_CONFIG: paths.config,
    CLUSTEROS_SEED_DIR: folders.seed,
    ...options.environment,
  };
  const clockFile = path.join(folders.own, 'clock');
  let spec = first;
  let holder: Holder | undefined;
  let run: AgentRun | undefined;
  let agentWasOn = false;

  const mustBeOn = () => {
    if (holder === undefined) throw new Error(`${spec.name} is off`);
    return holder;
  };
  /** It went with the power. */
  const runFolder = () => {
    mustBeOn();
    return folders.run;
  };
  const entered = (argv: readonly string[]) =>
    entering(mustBeOn().init, ['--mount', '--uts', '--net', '--pid'], argv);
  /** Only what the host has of its own: all else is the machine that the tests run on. */
  const outside = (inside: string) => {
    const file = path.resolve('/', inside);
    const within = (folder: string) => file === folder || file.startsWith(`${folder}/`);
    // The disk may be a mount that only the rig has.
    if (within(rig.folder)) return `/proc/${rig.init}/root${file}`;
    if (file === '/etc/hosts') return path.join(folders.etc, 'hosts');
    if (file === '/etc/resolv.conf') return path.join(folders.etc, 'resolv.conf');
    if (within('/run')) return path.join(runFolder(), path.relative('/run', file));
    if (within('/tmp')) return path.join(folders.tmp, path.relative('/tmp', file));
    throw new Error(
      `${spec.name} shares ${file} with the machine of the tests; use machine.paths, /run or /tmp`,
    );
  };
  const write = (file: string, data: string | Uint8Array, mode: number) => {
    mkdirSync(path.dirname(file), { recursive: true });
    // In place, as /etc/hosts is a bind mount.
    writeFileSync(file, data, { mode });
    chmodSync(file, mode);
  };

  const machine: HostMachine = {
    name: spec.name,
    paths,
    outside,
    get init() {
      return mustBeOn().init;
    },
    get spec() {
      return spec;
    },
    get address() {
      return spec.links[0]?.address?.split('/')[0] ?? '';
    },
    get on() {
      return holder !== undefined;
    },
    exec: async (argv, more) => runToEnd(entered(argv), { ...more, environment }),
    must: async (argv, more) => runWell(entered(argv), { ...more, environment }),
    readText: async (file) => readFileSync(outside(file), 'utf8'),
    writeFile: async (file, data, mode = 0o644) => write(outside(file), data, mode),

    async startAgent() {
      const { init } = mustBeOn();
      if (run !== undefined && run.exit() === undefined)
        throw new Error(`the agent of ${spec.name} runs already`);
      const clocks = options.agentClock ? clockEnvironment(clockFile) : {};
      agentWasOn = true;
      run = await startAgentProcess(
        init,
        [...agent.argv, 'start', '--json'],
        { ...environment, ...clocks },
        log,
      );
    },
    async stopAgent() {
      agentWasOn = false;
      await run?.stop();
    },
    async killAgent() {
      agentWasOn = false;
      await run?.kill();
    },
    agentExit: () => run?.exit(),
    async kill(programName, name) {
      const found = processesBeside(mustBeOn().init).filter((each) => each.name === programName);
      const count = found.filter(({ pid }) => signal(pid, name)).length;
      if (name === 'SIGCONT') run?.wake();
      return count;
    },
    processes: async () => (holder === undefined ? [] : processesBeside(holder.init)),

    async powerCut() {
      const cut = mustBeOn();
      holder = undefined;
      await Promise.all([powerDown(rig, spec, cut), run?.kill()]);
    },
    async powerOn() {
      if (holder !== undefined) throw new Error(`${spec.name} is on`);
      holder = await powerUp(rig, spec);
      if (agentWasOn) await machine.startAgent();
    },
    async wipe(which = [paths.state]) {
      for (const each of which) rmSync(outside(each), { recursive: true, force: true });
    },
    setSeed: async (seed) => putSeed(folders.seed, seed),
    async readdress(address) {
      const [link, ...others] = spec.links;
      if (link === undefined) throw new Error(`${spec.name} has no link`);
      const prefixed = address.includes('/') ? address : `${address}/${link.address?.split('/')[1] ?? '16'}`;
      spec = { ...spec, links: [{ ...link, address: prefixed }, ...others] };
      if (holder === undefined) return;
      await ipBatch(holder.init, [
        ...(link.address === undefined ? [] : [`addr del ${link.address} dev eth0`]),
        `addr add ${prefixed} brd + dev eth0`,
      ]);
    },
    async shiftClock(ms) {
      if (!options.agentClock) throw new Error(`${spec.name} was made without agentClock`);
      write(clockFile, offsetText(ms), 0o644);
    },
    async fillDisk() {
      if (spec.diskMiB === undefined) throw new Error(`${spec.name} was made without diskMiB`);
      fillFolder(outside(folders.disk));
    },
    freeDisk: async () => freeFolder(outside(folders.disk)),

    async agentStatus() {
      return askStatus(outside(path.join(paths.run, 'agent.sock')));
    },
    async until(sentence, wanted, deadlineMs) {
      return eventually(
        `${spec.name}: ${sentence}`,
        async () => {
          const status = await machine.agentStatus();
          if (!wanted(status)) throw new Error(brief(status));
          return status;
        },
        { deadlineMs },
      );
    },
    record: () => recordOf(machine, log.lines, folders.run),
  };
  write(clockFile, offsetText(0), 0o644);
  if (options.seed !== undefined) putSeed(folders.seed, options.seed);
  return machine;
}

/** The same disk in two machines. */
export function cloneState(from: HostMachine, to: HostMachine): void {
  const target = to.outside(to.paths.state);
  rmSync(target, { recursive: true, force: true });
  cpSync(from.outside(from.paths.state), target, { recursive: true, preserveTimestamps: true });
}

/** File names as in agent/seed. */
function putSeed(volume: string, { key, nodeYaml, token }: Seed): void {
  const folder = path.join(volume, 'clusteros');
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of [
    ['cluster.key', key],
    ['node.yaml', nodeYaml],
    ['cluster.token', token],
  ] as const) {
    const file = path.join(folder, name);
    if (text === undefined) rmSync(file, { force: true });
    else writeFileSync(file, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600 });
  }
}
