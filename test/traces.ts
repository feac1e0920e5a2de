/** What a command may leave on the machine, and what it must not. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import * as path from 'node:path';
import { clock } from '../build/host.ts';

interface SeenProcess {
  readonly pid: number;
  readonly argv: readonly string[];
}

/** Living processes whose arguments, environment, root or working folder name a folder; not our own. */
export function processesIn(folder: string): SeenProcess[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.flatMap((pid) => {
    const argv = contentOf(`/proc/${pid}/cmdline`).split('\0');
    const words = [...argv, contentOf(`/proc/${pid}/environ`), linkOf(`/proc/${pid}/cwd`)];
    // A zombie has neither arguments nor environment.
    return words.some((word) => word.includes(folder)) ? [{ pid: Number(pid), argv }] : [];
  });
}

/** No mount and no process names the folder. A killed process takes a moment to be gone, hence the wait. */
export async function assertNothingRuns(folder: string): Promise<void> {
  const deadline = clock.monotonicMs() + 10_000;
  for (;;) {
    const processes = processesIn(folder).map(({ pid, argv }) => `${pid} ${argv.join(' ')}`);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(folder));
    if (processes.length + mounts.length === 0) return;
    if (clock.monotonicMs() > deadline)
      assert.deepEqual({ processes, mounts }, { processes: [], mounts: [] });
    await clock.pause(50);
  }
}

/** For the end of a test that failed: what still names its folder is killed, process by process. */
export function endWhatRuns(folder: string): void {
  for (const { pid } of processesIn(folder)) process.kill(pid, 'SIGKILL');
}

/** No half-made entry in the cache. Empty marks of use stay until the next command, which removes them. */
export function assertCacheWhole(cache: string): void {
  const half = globSync('work/*', { cwd: cache }).filter((name) => !name.endsWith('.use'));
  const unsealed = globSync('{packages,files,agent,artifact}/*', { cwd: cache, withFileTypes: false }).filter(
    (entry) => !existsSync(path.join(cache, entry, 'entry.json')),
  );
  assert.deepEqual({ half, unsealed }, { half: [], unsealed: [] });
}

/** Nothing but whole artifacts. @returns their names */
export function assertOutputWhole(output: string): string[] {
  const names = existsSync(output) ? readdirSync(output).sort() : [];
  for (const name of names) {
    assert.deepEqual(readdirSync(path.join(output, name)).sort(), [
      'SHA256SUMS',
      `${name}.qcow2`,
      `${name}.qcow2.spdx.json`,
      'manifest.json',
    ]);
  }
  return names;
}

/** What stands in a file of /proc; nothing when the process has gone meanwhile. */
function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function linkOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
