/** Nodes in virtual machines, as integration tests need them. */
import assert from 'node:assert/strict';
import type { StatusDocument } from '../agent/api/view.ts';
import { chooseAccelerator } from '../qemu/accel.ts';
import { waitUntilBooted } from '../qemu/booted.ts';
import { createMachine, type Machine, type MachineOptions } from '../qemu/machine.ts';
import { readStatus } from './cluster/systemd/status.ts';
import { eventually } from './cluster/waits.ts';

/** Alone on its network a node waits some seconds for others; emulated, beside other machines, it takes minutes. */
const READY_LIMIT_MS = 20 * 60_000;

type NodeOptions = Omit<MachineOptions, 'accel' | 'throwAway'>;

/** A machine that is made but off. The caller disposes it. */
export async function makeNode(options: NodeOptions): Promise<Machine> {
  const { accel } = await chooseAccelerator();
  return createMachine({ memoryMiB: 1024, ...options, accel, throwAway: true });
}

/** A machine that is up: systemd says `running`. The caller disposes it. */
export async function bootedMachine(options: NodeOptions): Promise<Machine> {
  const machine = await makeNode(options);
  try {
    await machine.start();
    await waitUntilBooted(machine);
    return machine;
  } catch (error) {
    await machine.dispose();
    throw error;
  }
}

/** As an operator asks, which takes an emulated machine some seconds: {@link writtenStatus} is for asking often. */
export async function agentStatus(machine: Machine): Promise<StatusDocument> {
  const { stdout, stderr, exitCode } = await machine.guest.run(['node-agent', 'status', '--json'], {
    timeoutMs: 60_000,
  });
  assert.equal(exitCode, 0, stdout + stderr);
  return JSON.parse(stdout) as StatusDocument;
}

/** @throws Error when the agent wrote none, or a while ago */
export function writtenStatus({ guest }: Machine): Promise<StatusDocument> {
  return readStatus({ readText: (file) => guest.readText(file) });
}

/** Its agent is a whole member of a cluster, which takes a while after the boot. */
export async function readyStatus(machine: Machine): Promise<StatusDocument> {
  return eventually(
    `${machine.name} is ready`,
    async () => {
      const status = await writtenStatus(machine);
      assert.equal(status.state, 'ready', JSON.stringify(status.conditions));
      return status;
    },
    { deadlineMs: READY_LIMIT_MS, everyMs: 2_000 },
  );
}

export async function fileOf(machine: Machine, file: string): Promise<string> {
  const { stdout, stderr, exitCode } = await machine.guest.run(['cat', file]);
  assert.equal(exitCode, 0, stderr);
  return stdout;
}
