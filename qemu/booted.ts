import { OperatorError } from '../build/errors.ts';
import type { Accelerator } from './argv.ts';
import type { Guest } from './guest.ts';
import type { Machine } from './machine.ts';
import { waitFor } from './wait.ts';

/** Real time that a boot may take. Under TCG a busy host can be ten times slower than an idle one. */
export function bootLimitMs(accel: Accelerator): number {
  return accel === 'kvm' ? 120_000 : 600_000;
}

/** A look starts a program in the guest, which takes an emulated one a good part of a second. */
const LOOK_EVERY_MS: Record<Accelerator, number> = { kvm: 250, tcg: 2_500 };

interface BootedOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of each new state of the system manager. */
  readonly onState?: (state: string) => void;
}

/**
 * Wait until the guest agent answers and systemd says `running`.
 *
 * @throws OperatorError `boot.degraded` at once, with the journal of each failed unit; `wait.hopeless` at once
 *   for a panic, an emergency shell or the end of QEMU; `wait.timeout` with the jobs that are still waiting
 */
export async function waitUntilBooted(machine: Machine, options: BootedOptions = {}): Promise<void> {
  let told = '';
  const tell = (state: string) => {
    if (state !== told) options.onState?.(state);
    told = state;
  };
  await waitFor(
    `${machine.name} to be up`,
    async (last) => {
      if (!(await machine.guest.answers(5_000)))
        return { done: false, saw: 'no answer from the guest agent' };
      const state = await orSilence(systemState(machine.guest));
      if (state === undefined) return { done: false, saw: 'the guest agent fell silent' };
      tell(state);
      if (state === 'running') return { done: true, value: undefined };
      if (state === 'degraded' || state === 'maintenance') throw await degraded(machine, state);
      return { done: false, saw: last ? `${state}\n${await waitingJobs(machine.guest)}` : state };
    },
    {
      deadlineMs: options.deadlineMs ?? bootLimitMs(machine.spec.accel),
      everyMs: LOOK_EVERY_MS[machine.spec.accel],
      signal: options.signal,
      failFast: () => machine.trouble(),
      evidence: () => machine.console.lastLines(30),
    },
  );
}

/** What `systemctl is-system-running` says; `offline` and the like are states too. */
async function systemState(guest: Guest): Promise<string> {
  return (await guest.run(['systemctl', 'is-system-running'])).stdout.trim();
}

/** Reboot from inside, and wait for the next boot to be up. */
export async function rebootGuest(machine: Machine, options: BootedOptions = {}): Promise<void> {
  const before = await bootId(machine.guest);
  // The guest may be gone before it has told that the command ended.
  await orSilence(machine.guest.run(['systemctl', '--no-block', 'reboot']));
  await waitFor(
    `${machine.name} to reboot`,
    async () => {
      if (!(await machine.guest.answers(5_000)))
        return { done: false, saw: 'no answer from the guest agent' };
      const now = await orSilence(bootId(machine.guest));
      return now === undefined || now === before
        ? { done: false, saw: `boot id ${now ?? 'unknown'}` }
        : { done: true, value: undefined };
    },
    {
      deadlineMs: options.deadlineMs ?? bootLimitMs(machine.spec.accel),
      everyMs: LOOK_EVERY_MS[machine.spec.accel],
      signal: options.signal,
      failFast: () => machine.trouble(),
      evidence: () => machine.console.lastLines(30),
    },
  );
  await waitUntilBooted(machine, options);
}

async function bootId(guest: Guest): Promise<string> {
  return (await guest.readText('/proc/sys/kernel/random/boot_id')).trim();
}

/** The agent may go at any moment while the guest starts or ends: undefined then. */
async function orSilence<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof OperatorError && error.code.startsWith('guest.')) return undefined;
    throw error;
  }
}

async function degraded(machine: Machine, state: string): Promise<OperatorError> {
  const { guest } = machine;
  const list = await guest.run([
    'systemctl',
    'list-units',
    '--failed',
    '--plain',
    '--no-legend',
    '--no-pager',
  ]);
  const units = list.stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[0] ?? '')
    .filter(Boolean);
  const journals: string[] = [];
  for (const unit of units) {
    const argv = ['journalctl', '--boot', '--no-pager', '--output=cat', '--lines=30', `--unit=${unit}`];
    journals.push(`== ${unit}\n${(await guest.run(argv)).stdout.trim()}`);
  }
  return new OperatorError({
    code: 'boot.degraded',
    exit: 'boot',
    message: `${machine.name} came up ${state}: ${units.join(', ') || 'no unit is listed as failed'}`,
    evidence: journals.join('\n'),
  });
}

async function waitingJobs(guest: Guest): Promise<string> {
  return (await guest.run(['systemctl', 'list-jobs', '--no-pager', '--no-legend'])).stdout.trim();
}
