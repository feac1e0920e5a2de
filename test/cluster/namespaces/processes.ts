/** What /proc says, seen from outside of the rig. A process may end at any moment: nothing here throws for it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import * as path from 'node:path';
import type { MachineProcess } from '../machines.ts';

/** Direct children of a process; see proc_pid_task(5), `children`. */
export function childrenOf(pid: number): number[] {
  return textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

/** All that runs in the pid namespace of a process, but for that process. Zombies are left out. */
export function processesBeside(init: number): MachineProcess[] {
  const space = namespaceOf(init, 'pid');
  if (space === undefined) return [];
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids
    .filter((pid) => pid !== init && namespaceOf(pid, 'pid') === space)
    .flatMap((pid) => {
      const argv = textOf(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
      return argv.length === 0 ? [] : [{ pid, name: nameOf(argv), argv }];
    });
}

/** `net:[4026532290]`; undefined when the process is gone. */
export function namespaceOf(pid: number | 'self', kind: 'net' | 'mnt' | 'pid' | 'uts'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return undefined;
  }
}

/** A process as no other one ever is: by its number, which is given again, and its start in clock ticks after boot. */
interface Inhabitant {
  readonly pid: string;
  readonly start: string;
}

/** Who is in one of these namespaces, whose own numbers are soon given to those that other tests make. */
export function inhabitants(spaces: ReadonlySet<string>): Inhabitant[] {
  const isIn = (pid: string) =>
    (['net', 'mnt', 'pid', 'uts'] as const).some((kind) => spaces.has(namespaceOf(Number(pid), kind) ?? ''));
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isIn(name));
  return pids.map((pid) => ({ pid, start: startOf(pid) })).filter(({ start }) => start !== '');
}

export function stillAlive(lived: readonly Inhabitant[]): Inhabitant[] {
  return lived.filter(({ pid, start }) => startOf(pid) === start);
}

/** Empty for one that has ended, a zombie too; proc_pid_stat(5), fields 3 and 22. The second may hold blanks. */
function startOf(pid: string): string {
  const fields = textOf(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  return fields[0] === 'Z' ? '' : (fields[19] ?? '');
}

function nameOf(argv: readonly string[]): string {
  const isAgent = argv.some((word) => word.endsWith('/agent.mjs') || word.endsWith('/node-agent'));
  if (isAgent) return argv.includes('start') ? 'node-agent' : 'node';
  return path.basename(argv[0] ?? '');
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
