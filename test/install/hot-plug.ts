/** Drives that are plugged in and pulled out while the machine runs, and a running machine put aside and taken up again. */
import { run } from '../../build/host.ts';
import type { DiskSpec } from '../../qemu/argv.ts';
import type { Machine } from '../../qemu/machine.ts';
import { waitFor } from '../../qemu/wait.ts';

const JOB_LIMIT_MS = 5 * 60_000;
const UNPLUG_LIMIT_MS = 2 * 60_000;

/** An NVMe drive into one of the machine's free places, or a stick into its USB port. */
export async function plugIn(machine: Machine, name: string, disk: DiskSpec, place = 0): Promise<void> {
  await machine.qmp.execute('blockdev-add', {
    'node-name': `node-${name}`,
    driver: disk.format,
    'read-only': disk.readonly,
    file: { driver: 'file', filename: disk.file },
  });
  const sector = disk.sector ?? 512;
  await machine.qmp.execute('device_add', {
    driver: disk.bus === 'usb' ? 'usb-storage' : 'nvme',
    bus: disk.bus === 'usb' ? 'usb0.0' : `hot${place}`,
    id: name,
    drive: `node-${name}`,
    serial: disk.serial ?? name,
    logical_block_size: sector,
    physical_block_size: sector,
  });
}

/** The kernel of the machine lets it go first. */
export async function pullOut(machine: Machine, name: string): Promise<void> {
  await machine.qmp.execute('device_del', { id: name });
  await waitFor(
    `${name} to be gone from ${machine.name}`,
    async () =>
      machine.qmp.events.some(({ event, data }) => event === 'DEVICE_DELETED' && data.device === name)
        ? { done: true, value: undefined }
        : { done: false, saw: 'it is still there' },
    { deadlineMs: UNPLUG_LIMIT_MS, failFast: () => machine.trouble() },
  );
  await machine.qmp.execute('blockdev-del', { 'node-name': `node-${name}` });
}

/** Write down all that the machine is at this moment, but for its disks. It goes on afterwards. */
export async function saveState(machine: Machine, file: string): Promise<void> {
  await run(['qemu-img', 'create', '-q', '-f', 'qcow2', file, '16G']);
  await stateJob(machine, file, 'snapshot-save');
}

/** Go on at the saved moment, in a machine of the same make that has just been started. */
export async function resumeState(machine: Machine, file: string): Promise<void> {
  await machine.qmp.execute('stop');
  await stateJob(machine, file, 'snapshot-load');
  await machine.qmp.execute('cont');
}

async function stateJob(machine: Machine, file: string, what: string): Promise<void> {
  const node = 'state';
  await machine.qmp.execute('blockdev-add', {
    'node-name': node,
    driver: 'qcow2',
    file: { driver: 'file', filename: file },
  });
  await machine.qmp.execute(what, { 'job-id': what, tag: 'now', vmstate: node, devices: [node] });
  await waitFor(
    `${what} of ${machine.name}`,
    async () => {
      const jobs = (await machine.qmp.execute('query-jobs')) as readonly Job[];
      const job = jobs.find(({ id }) => id === what);
      if (job?.error !== undefined) throw new Error(`${what}: ${job.error}`);
      return job?.status === 'concluded'
        ? { done: true, value: undefined }
        : { done: false, saw: job?.status ?? 'no job' };
    },
    { deadlineMs: JOB_LIMIT_MS, failFast: () => machine.trouble() },
  );
  await machine.qmp.execute('job-dismiss', { id: what });
  await machine.qmp.execute('blockdev-del', { 'node-name': node });
}

interface Job {
  readonly id: string;
  readonly status: string;
  readonly error?: string;
}
