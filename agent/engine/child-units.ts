import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { AgentError } from '../errors.ts';
import type { Child } from '../host/children.ts';
import { children, clock, files, logs } from '../host.ts';
import type { UnitName, UnitSpec, UnitState, Units } from './units.ts';

const RECORD_BYTES = 4_096;
const LOG_BYTES = 4 * 1024 * 1024;
const LOOK_MS = 20;

/** What is kept of a started program, so that the next agent finds it again. */
interface Record extends Child {
  readonly configDigest: string;
  readonly exit?: UnitState['exit'];
}

/**
 * Programs as our own children, for where there is no systemd. They are sessions of their own and outlive us;
 * a record in the run folder lets the next agent adopt them.
 *
 * @param run the folder that a reboot empties; records are in `units/`, output in `log/`
 */
export function childUnits(run: string, environment: Readonly<globalThis.Record<string, string>>): Units {
  const folder = path.join(run, 'units');
  const recordOf = (name: UnitName) => path.join(folder, `${name}.json`);
  const logOf = (name: UnitName) => path.join(run, 'log', `${name}.log`);

  async function load(name: UnitName): Promise<Record | undefined> {
    const found = await files.readLimited(recordOf(name), RECORD_BYTES);
    if (found === undefined) return undefined;
    try {
      return JSON.parse(found.bytes.toString('utf8')) as Record;
    } catch {
      // Half-written by a crash: what it spoke of is found by its own means (a busy port), or not at all.
      return undefined;
    }
  }

  const save = (name: UnitName, record: Record) =>
    files.writeVolatile(recordOf(name), JSON.stringify(record), 0o600);

  /** How programs ended that we started: an end may come before its record is written. */
  const ends = new Map<UnitName, { pid: number; exit: UnitState['exit'] }>();
  let saving = Promise.resolve();

  async function keepEnd(name: UnitName): Promise<void> {
    const [now, end] = [await load(name), ends.get(name)];
    // Another run may have begun meanwhile; its record stays.
    if (now !== undefined && now.pid === end?.pid) await save(name, { ...now, exit: end.exit });
  }

  const units: Units = {
    async start(spec) {
      const state = await units.observe(spec.name);
      if (state.state === 'running') {
        if (state.configDigest === spec.configDigest) return;
        await units.stop(spec.name, 5_000);
      }
      requireProgram(spec);
      await files.makeFolder(run, 0o755);
      await files.makeFolder(folder, 0o700);
      await files.makeFolder(path.dirname(logOf(spec.name)), 0o700);
      await logs.keepTail(logOf(spec.name), LOG_BYTES);
      const child = children.startChild(bound(spec), {
        environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment, ...spec.environment },
        log: logOf(spec.name),
        onEnd: (pid, exit) => {
          ends.set(spec.name, { pid, exit });
          // The folder may be full or gone: we know the end all the same, only the next agent will not.
          saving = saving.then(() => keepEnd(spec.name)).catch(() => {});
        },
      });
      if (child === undefined) {
        throw new AgentError({
          code: 'unit.start',
          exit: 'internal',
          message: `${spec.argv[0]} could not be started`,
        });
      }
      const started = { ...child, configDigest: spec.configDigest };
      const saved = saving.then(() => save(spec.name, started));
      saving = saved.catch(() => {});
      await saved;
    },

    async stop(name, timeoutMs) {
      const record = await load(name);
      if (record === undefined || !children.isRunning(record)) return;
      children.sendSignal(record, 'SIGTERM');
      const ended = await gone(record, timeoutMs);
      if (ended) return;
      children.sendSignal(record, 'SIGKILL');
      if (!(await gone(record, 5_000))) {
        throw new AgentError({
          code: 'unit.stop',
          exit: 'internal',
          message: `${name} (pid ${record.pid}) does not die`,
          fix: 'a disk that does not answer can do that: dmesg',
        });
      }
    },

    async observe(name) {
      const record = await load(name);
      const lastLines = await logs.lastLines(logOf(name), 20);
      if (record === undefined) return { state: 'stopped', lastLines };
      if (children.isRunning(record)) {
        return { state: 'running', pid: record.pid, configDigest: record.configDigest, lastLines };
      }
      const end = ends.get(name);
      const exit = end?.pid === record.pid ? end.exit : record.exit;
      return {
        state: exit?.code === 0 || exit?.signal === 'SIGTERM' ? 'stopped' : 'failed',
        configDigest: record.configDigest,
        exit,
        lastLines,
      };
    },
  };
  return units;
}

/** A program that must end with us is told so by the kernel: prctl(2), PR_SET_PDEATHSIG, by setpriv(1). */
function bound(spec: UnitSpec): readonly [string, ...string[]] {
  return spec.boundToAgent ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', ...spec.argv] : spec.argv;
}

export function requireProgram({ name, argv: [program] }: UnitSpec): void {
  if (children.programExists(program)) return;
  throw new AgentError({
    code: 'unit.missing-program',
    exit: 'internal',
    message: `${program} is not installed`,
    fix: `apt-get install ${PACKAGES[name] ?? path.basename(program)}`,
  });
}

const PACKAGES: Readonly<globalThis.Record<string, string>> = {
  serf: 'serf',
  etcd: 'etcd-server',
  wireguard: 'wireguard-go',
};

/** A digest of what a unit was configured with, for {@link UnitSpec.configDigest}. */
export function digestOfConfig(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
}

async function gone(record: Record, timeoutMs: number): Promise<boolean> {
  const deadline = clock.monotonicMs() + timeoutMs;
  while (children.isRunning(record)) {
    if (clock.monotonicMs() >= deadline) return false;
    await clock.pause(LOOK_MS);
  }
  return true;
}
