import { readFileSync } from 'node:fs';
import { clock } from '../build/host.ts';
import type { HostMachine } from '../test/cluster/namespaces/machine.ts';
import { processesBeside } from '../test/cluster/namespaces/processes.ts';
import { median } from './figures.ts';

/** What one idle node costs. Shares are of one CPU, in percent. */
export interface NodeUsage {
  readonly agentRssMiB: number;
  /** Of the RSS, what is the agent's own: the rest is the program's file, which processes share. */
  readonly agentOwnMiB: number;
  /** With the small programs that it ran. */
  readonly agentCpu: number;
  readonly enginesCpu: number;
  /** Processes and threads begun in a minute. */
  readonly begun: number;
}

interface Counters {
  readonly atMs: number;
  readonly agentTicks: number;
  readonly engineTicks: number;
  readonly lastPid: number;
}

/** sysconf(_SC_CLK_TCK) is 100 on every Linux that we run on. */
const MS_PER_TICK = 10;
/** What {@link lastPidOf} itself begins: nsenter's child. */
const OWN = 1;

/** Measure all nodes at once over a time in which nobody does anything to them. */
export async function idleUsage(machines: readonly HostMachine[], forMs: number): Promise<NodeUsage[]> {
  const before = await Promise.all(machines.map(countersOf));
  await clock.pause(forMs);
  const after = await Promise.all(machines.map(countersOf));
  return machines.map((machine, at) => {
    const [from, to] = [before[at], after[at]];
    if (from === undefined || to === undefined) throw new Error('no counters');
    const spentMs = to.atMs - from.atMs;
    const share = (ticks: number) => (100 * ticks * MS_PER_TICK) / spentMs;
    return {
      ...memoryOf(agentPid(machine)),
      agentCpu: share(to.agentTicks - from.agentTicks),
      enginesCpu: share(to.engineTicks - from.engineTicks),
      begun: ((to.lastPid - from.lastPid - OWN) * 60_000) / spentMs,
    };
  });
}

/** The middle of each figure. */
export function medianOf(usages: readonly NodeUsage[]): NodeUsage {
  const of = (figure: keyof NodeUsage) => median(usages.map((usage) => usage[figure]));
  return {
    agentRssMiB: of('agentRssMiB'),
    agentOwnMiB: of('agentOwnMiB'),
    agentCpu: of('agentCpu'),
    enginesCpu: of('enginesCpu'),
    begun: of('begun'),
  };
}

async function countersOf(machine: HostMachine): Promise<Counters> {
  const lastPid = Number(await machine.must(['cat', '/proc/sys/kernel/ns_last_pid']));
  const all = processesBeside(machine.init);
  const ticks = (isAgent: boolean) =>
    all
      .filter(({ name }) => (name === 'node-agent') === isAgent)
      .reduce((sum, { pid }) => sum + ticksOf(pid), 0);
  return { atMs: clock.monotonicMs(), agentTicks: ticks(true), engineTicks: ticks(false), lastPid };
}

function agentPid(machine: HostMachine): number {
  const agent = processesBeside(machine.init).find(({ name }) => name === 'node-agent');
  if (agent === undefined) throw new Error(`no agent runs on ${machine.name}`);
  return agent.pid;
}

/** User and system time of a process and of its children that have ended; proc_pid_stat(5), fields 14 to 17. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

function memoryOf(pid: number): { agentRssMiB: number; agentOwnMiB: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { agentRssMiB: mib('VmRSS'), agentOwnMiB: mib('RssAnon') };
}
