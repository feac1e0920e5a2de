import * as path from 'node:path';
import { AgentError } from '../errors.ts';
import type { Child } from '../host/children.ts';
import { children, clock, files, programs } from '../host.ts';
import { requireProgram } from './child-units.ts';
import type { UnitName, UnitSpec, UnitState, Units } from './units.ts';

const DIGEST_BYTES = 128;
const CALL_MS = 30_000;
/** How long a unit that an operator starts behind our back may go unnoticed. */
const IDLE_MS = 30_000;

/** systemd.exec(5): what `systemctl show` is asked for. */
const PROPERTIES = ['ActiveState', 'MainPID', 'ExecMainCode', 'ExecMainStatus', 'InvocationID'] as const;

/**
 * Programs as units of systemd: `clusteros-<name>.service`, which the image brings. What they are configured
 * with is noted in the run folder together with the run of the unit that it belongs to.
 *
 * @param run the folder that a reboot empties
 */
export function systemdUnits(run: string): Units {
  const folder = path.join(run, 'units');
  const noteOf = (name: UnitName) => path.join(folder, `${name}.digest`);

  async function digestOf(name: UnitName, invocation: string): Promise<string | undefined> {
    const found = await files.readLimited(noteOf(name), DIGEST_BYTES);
    const [noted, digest] = found?.bytes.toString('utf8').split(' ') ?? [];
    return noted === invocation ? digest : undefined;
  }

  /** The process of a unit that runs: while it lives, systemd need not be asked. */
  const alive = new Map<UnitName, Child & { configDigest: string | undefined }>();
  /** Units that do not run, as most nodes' etcd: only we start them, so that systemd need not be asked each time. */
  const idle = new Map<UnitName, { readonly state: UnitState; readonly untilMs: number }>();
  /** So that a look that began before a start does not outlast it. */
  let starts = 0;

  const units: Units = {
    async start(spec) {
      const state = await units.observe(spec.name);
      if (state.state === 'running') {
        if (state.configDigest === spec.configDigest) return;
        await systemctl('stop', spec.name);
      }
      alive.delete(spec.name);
      requireProgram(spec);
      await files.makeFolder(folder, 0o700);
      await files.writeVolatile(path.join(folder, `${spec.name}.env`), argumentsOf(spec), 0o600);
      if (state.state === 'failed') await systemctl('reset-failed', spec.name);
      const { code, stderr } = await systemctl('start', spec.name);
      starts += 1;
      idle.delete(spec.name);
      if (code !== 0) {
        throw new AgentError({
          code: 'unit.start',
          exit: 'internal',
          message: `systemd did not start ${unitOf(spec.name)}`,
          evidence: stderr.trim().slice(-500),
          fix: `journalctl -u ${unitOf(spec.name)}`,
        });
      }
      const { InvocationID = '' } = await show(spec.name);
      await files.writeVolatile(noteOf(spec.name), `${InvocationID} ${spec.configDigest}`, 0o600);
    },

    async stop(name, timeoutMs) {
      alive.delete(name);
      idle.delete(name);
      if (!(await stopped(name, timeoutMs))) {
        await programs.run(['/usr/bin/systemctl', 'kill', '--signal=KILL', unitOf(name)], {
          timeoutMs: CALL_MS,
        });
        await systemctl('stop', name);
      }
      // One that had to be killed has ended as it was told all the same: the machine is not degraded by it.
      await systemctl('reset-failed', name);
    },

    async observe(name) {
      const known = alive.get(name);
      if (known !== undefined && children.isRunning(known)) {
        return { state: 'running', pid: known.pid, configDigest: known.configDigest, lastLines: [] };
      }
      alive.delete(name);
      const rest = idle.get(name);
      if (rest !== undefined && clock.monotonicMs() < rest.untilMs) return rest.state;
      const before = starts;
      const shown = await show(name);
      const state = stateFrom(shown);
      // Each question starts a program, which is much of a first boot under emulation.
      const lastLines = hasEnded(state) ? await journal(name) : [];
      const configDigest = await digestOf(name, shown.InvocationID ?? '');
      const process = state.pid === undefined ? undefined : children.identify(state.pid);
      if (process !== undefined) alive.set(name, { ...process, configDigest });
      const found = { ...state, configDigest, lastLines };
      idle.delete(name);
      if (state.state === 'stopped' && starts === before) {
        idle.set(name, { state: found, untilMs: clock.monotonicMs() + IDLE_MS });
      }
      return found;
    },
  };
  return units;
}

/**
 * For units whose arguments are known only now: `EnvironmentFile=` of the unit, which then says `$ARGUMENTS`.
 * systemd splits it at blanks, so no argument may hold one; see systemd.service(5).
 */
function argumentsOf({ name, argv: [, ...rest] }: UnitSpec): string {
  const odd = rest.find((word) => !/^[\w./:=@%+,-]+$/.test(word));
  if (odd !== undefined) throw new Error(`${name} has an argument that a unit cannot take: ${odd}`);
  return `ARGUMENTS=${rest.join(' ')}\n`;
}

/** Whether it went within the time. */
async function stopped(name: UnitName, timeoutMs: number): Promise<boolean> {
  try {
    return (await systemctl('stop', name, timeoutMs)).code === 0;
  } catch (error) {
    if (error instanceof AgentError && error.code === 'program.timeout') return false;
    throw error;
  }
}

/** What systemd's properties say of a unit. Pure. */
export function stateFrom(
  shown: Readonly<Partial<Record<(typeof PROPERTIES)[number], string>>>,
): Pick<UnitState, 'state' | 'pid' | 'exit'> {
  const { ActiveState = 'inactive', ExecMainCode, ExecMainStatus } = shown;
  if (['active', 'activating', 'reloading'].includes(ActiveState)) {
    return { state: 'running', pid: Number(shown.MainPID) || undefined };
  }
  const status = Number(ExecMainStatus);
  // siginfo(7): CLD_EXITED is 1, CLD_KILLED 2, CLD_DUMPED 3; 0 means that it never ran.
  const exit =
    ExecMainCode === '1'
      ? { code: status }
      : ExecMainCode === '2' || ExecMainCode === '3'
        ? { signal: SIGNALS[status] ?? String(status) }
        : undefined;
  return { state: ActiveState === 'failed' ? 'failed' : 'stopped', exit };
}

/** Whether there is an end for the journal to tell of: a unit may run, or never have run since the boot. Pure. */
export function hasEnded({ state, exit }: Pick<UnitState, 'state' | 'exit'>): boolean {
  return state === 'failed' || (state === 'stopped' && exit !== undefined);
}

const SIGNALS: Readonly<Record<number, string>> = {
  6: 'SIGABRT',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
};

async function show(name: UnitName): Promise<Record<string, string>> {
  const { stdout } = await programs.run(
    ['/usr/bin/systemctl', 'show', `--property=${PROPERTIES.join(',')}`, unitOf(name)],
    { timeoutMs: CALL_MS },
  );
  return Object.fromEntries(
    stdout
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

async function journal(name: UnitName): Promise<string[]> {
  const { stdout } = await programs.run(
    ['/usr/bin/journalctl', '--unit', unitOf(name), '--lines=20', '--output=cat', '--no-pager'],
    { timeoutMs: CALL_MS },
  );
  return stdout.split('\n').filter(Boolean);
}

function systemctl(verb: string, name: UnitName, timeoutMs = CALL_MS) {
  return programs.run(['/usr/bin/systemctl', verb, unitOf(name)], { timeoutMs });
}

function unitOf(name: UnitName): string {
  return `clusteros-${name}.service`;
}
