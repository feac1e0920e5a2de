import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { clock } from '../build/host.ts';
import { type SeedInput, seedFiles } from '../firstboot/seed.ts';
import { writeVolume } from '../firstboot/volume.ts';
import type { Machine } from '../qemu/machine.ts';
import { waitFor } from '../qemu/wait.ts';
import { makeNode } from '../test/nodes.ts';

/** One first boot of an image with a whole seed, from power on until its agent is `ready`. Seconds. */
export interface FirstBoot {
  /** Until the agent shows above the login prompt that the node is ready. */
  readonly ready: number;
  /** What QEMU computed until then, on the machine that emulates: hardly changes with what else runs there. */
  readonly cpu: number;
  /** From the kernel's start until systemd had no job left: what `systemd-analyze` says. */
  readonly running: number;
}

const LIMIT_MS = 20 * 60_000;
/** What the prompt shows, see agent/console/issue.ts: reading it starts no program, which would cost what is measured. */
const ISSUE = '/run/issue.d/50-clusteros.issue';
const READY = /^ {2}state +ready$/m;

/** Everything that `clusteros-build seed` writes by default: an administrator with a key, DHCP, a cluster key. */
const SEED: SeedInput = {
  clusterName: 'bench',
  hostname: 'bench-1',
  user: 'clusteros',
  authorizedKeys: [`ssh-ed25519 ${ed25519Blob()} bench`],
  timezone: 'Etc/UTC',
  network: 'dhcp',
  clusterKey: randomBytes(32).toString('base64'),
  join: [],
};

/** @param folder for the seed and the disk, private; @param look called when the node is ready and still runs */
export async function firstBoot(
  image: string,
  folder: string,
  look: (machine: Machine) => Promise<void> = async () => {},
): Promise<FirstBoot> {
  const seed = path.join(folder, 'seed.iso');
  await writeVolume(seedFiles(SEED), 'iso', seed);
  const machine = await makeNode({
    name: 'bench-first',
    image,
    seed,
    network: [{ kind: 'user', isolated: true, guestPorts: [] }],
  });
  try {
    await machine.start();
    const started = clock.monotonicMs();
    await waitUntilReady(machine);
    const ready = (clock.monotonicMs() - started) / 1000;
    const cpu = cpuSeconds(machine.pid ?? 0);
    const running = await secondsUntilRunning(machine);
    await look(machine);
    return { ready, cpu, running };
  } finally {
    await machine.dispose();
  }
}

async function waitUntilReady(machine: Machine): Promise<void> {
  await waitFor(
    'the node to be ready',
    async () => {
      if (!(await machine.guest.answers(5_000))) return { done: false, saw: 'no answer' };
      const issue = await machine.guest.readText(ISSUE).catch((error: unknown) => String(error));
      return READY.test(issue) ? { done: true, value: undefined } : { done: false, saw: issue };
    },
    { deadlineMs: LIMIT_MS, everyMs: 1_000, failFast: () => machine.trouble() },
  );
}

/** proc_pid_stat(5): utime and stime, in ticks of which Linux has 100 a second on every architecture. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function secondsUntilRunning({ guest }: Machine): Promise<number> {
  await guest.must(['systemctl', 'is-system-running', '--wait'], { timeoutMs: LIMIT_MS });
  const shown = await guest.must(['systemctl', 'show', '--property=FinishTimestampMonotonic', '--value']);
  return Number(shown) / 1e6;
}

function ed25519Blob(): string {
  const word = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return Buffer.concat([word(Buffer.from('ssh-ed25519')), word(randomBytes(32))]).toString('base64');
}
