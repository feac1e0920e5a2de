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

/**
 * Who is in one of these namespaces: each process by its number and start, which nobody has again. The number of a
 * namespace soon belongs to another one, since other tests make some too.
 */
export function inhabitants(spaces: ReadonlySet<string>): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) =>
      (['net', 'mnt', 'pid', 'uts'] as const).some((kind) =>
        spaces.has(namespaceOf(Number(pid), kind) ?? ''),
      ),
    )
    .map((pid) => `${pid} since ${startOf(pid)}`);
}

/** Clock ticks after the machine's start; proc_pid_stat(5), field 22. Its second field may hold blanks. */
function startOf(pid: string): string | undefined {
  return textOf(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ')[19];
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
