import type { FoundCondition } from '../engine/controller.ts';
import { failed, NO_FAILURES, pauseOf } from '../engine/restart.ts';
import type { UnitState } from '../engine/units.ts';
import { AgentError } from '../errors.ts';
import type { Log } from '../log.ts';
import { deaf, endedCondition, missing, portBusy } from './conditions.ts';
import { type SerfSettings, unitSpec } from './config.ts';
import type { SerfProcess } from './process.ts';
import { connectSerf, type SerfClient } from './rpc/client.ts';
import type { Endpoint } from './rpc/connection.ts';
import type { Session } from './session.ts';
import { patienceOf, planSerf } from './supervise.ts';

export interface Wanted {
  /** Something that is not as it should be although Serf can run. */
  readonly warning?: FoundCondition | undefined;
  readonly settings: SerfSettings;
  /** 32 bytes each, the one to send with first. */
  readonly keys: readonly Uint8Array[];
}

interface Supervisor {
  /**
   * Look at the process and do the next step towards the wish.
   *
   * @returns why Serf does not run
   */
  supervise(wish: Wanted, nowMs: number): Promise<FoundCondition | undefined>;
  /** Stop Serf for good, with a good-bye when it runs. */
  leave(endpoint: Endpoint | undefined): Promise<void>;
  readonly leaving: boolean;
  /** As of the last look. */
  readonly running: boolean;
  /** How long Serf may be silent now before it is started again. */
  readonly patienceMs: number;
  /** How many Serfs have been started here. */
  readonly starts: number;
  /** The address that the process that runs tells others. */
  readonly told: string | undefined;
  /** Learn it from the files of a Serf that outlived the agent. */
  recall(): Promise<void>;
}

/** The unit's state is looked at this often while Serf answers: under systemd that is a process each time. */
const OBSERVE_MS = 10_000;
const STOP_MS = 5_000;
/** A Serf answers within milliseconds; what else has the port may say nothing at all. */
const ORPHAN_MS = 1_000;

export function createSupervisor(serf: SerfProcess, session: Session, log: Log): Supervisor {
  let restart = NO_FAILURES;
  let leaving = false;
  let starts = 0;
  let told: string | undefined;
  let unit: UnitState | undefined;
  let observedMs = Number.NEGATIVE_INFINITY;
  /** The process was running, or being started, when we looked last. */
  let expected = false;
  /** There is no such program: so it was at the last attempt. */
  let absent: FoundCondition | undefined;
  const oneAtATime = createLock();

  async function observe(nowMs: number): Promise<UnitState> {
    if (unit?.state === 'running' && session.open && nowMs - observedMs < OBSERVE_MS) return unit;
    unit = await serf.observe();
    observedMs = nowMs;
    if (unit.state === 'running') expected = true;
    else if (expected) {
      expected = false;
      restart = failed(restart, nowMs);
      session.reset();
      log.warning('serf has ended', { code: unit.exit?.code, signal: unit.exit?.signal });
      if (unit.lastLines.some((line) => /snapshot/i.test(line))) await serf.forgetSnapshot();
    }
    return unit;
  }

  async function start({ settings, keys }: Wanted, nowMs: number): Promise<FoundCondition | undefined> {
    session.expectNew();
    try {
      let result = await serf.start(settings, keys);
      if (result === 'rpc' && (await endOrphan(endpointOf(settings)))) {
        result = await serf.start(settings, keys);
      }
      if (result !== 'started') {
        return portBusy(result, result === 'rpc' ? settings.rpcPort : settings.port);
      }
    } catch (error) {
      restart = failed(restart, nowMs);
      if (!(error instanceof AgentError) || error.code !== 'unit.missing-program') throw error;
      absent = missing(error);
      return absent;
    }
    absent = undefined;
    told = settings.advertise;
    unit = undefined;
    expected = true;
    starts += 1;
    log.info('serf started', { advertise: settings.advertise });
    return undefined;
  }

  async function step(wish: Wanted, nowMs: number): Promise<FoundCondition | undefined> {
    const { settings, keys } = wish;
    const now = await observe(nowMs);
    const keysAreRight = now.state !== 'running' || (await serf.hasKeys(keys));
    const others = session.members.some(({ id, status }) => id !== settings.id && status === 'alive');
    const next = planSerf(
      {
        unit: now.state,
        current: now.configDigest === unitSpec(settings).configDigest && keysAreRight,
        moved: told !== undefined && told !== settings.advertise && others,
        silentSinceMs: session.silentSinceMs,
        restart,
        leaving,
      },
      nowMs,
    );
    if (next === 'keep') return undefined;
    if (next === 'wait') {
      if (now.state === 'running') {
        return deaf(nowMs - (session.silentSinceMs ?? nowMs), patienceOf(restart));
      }
      // It has not ended: it has never begun.
      if (absent !== undefined) return absent;
      const ports = { gossip: settings.port, rpc: settings.rpcPort };
      return endedCondition(now, ports, restart.failures, pauseOf(restart));
    }
    if (next !== 'start') {
      log.info('serf is restarted', { reason: next, from: told, to: settings.advertise });
      if (next === 'leave-and-restart') await sayGoodbye(endpointOf(settings));
      if (next === 'kill-and-restart') restart = failed(restart, nowMs);
      session.reset();
      await serf.stop(next === 'kill-and-restart' ? 1_000 : STOP_MS);
      expected = false;
    }
    return start(wish, nowMs);
  }

  async function sayGoodbye(endpoint: Endpoint): Promise<void> {
    try {
      await withSerf(endpoint, (client) => client.leave());
    } catch (error) {
      // The others will see us fail instead, and take a new address 30 to 60 s later.
      log.warning('serf could not say good-bye', { reason: (error as Error).message });
    }
  }

  return {
    supervise: (wish, nowMs) => oneAtATime(() => step(wish, nowMs)),
    leave: (endpoint) => {
      leaving = true;
      return oneAtATime(async () => {
        const { state } = await serf.observe();
        if (state === 'running' && endpoint !== undefined) await sayGoodbye(endpoint);
        session.reset();
        await serf.stop(STOP_MS);
        await serf.forgetSnapshot();
        unit = undefined;
        expected = false;
      });
    },
    get leaving() {
      return leaving;
    },
    get running() {
      return unit?.state === 'running';
    },
    get patienceMs() {
      return patienceOf(restart);
    },
    get starts() {
      return starts;
    },
    get told() {
      return told;
    },
    recall: async () => {
      told ??= await serf.toldAddress();
    },
  };
}

/** Work with a connection of its own. @throws AgentError of the RPC */
export async function withSerf<T>(
  endpoint: Endpoint,
  work: (serf: SerfClient) => Promise<T>,
  connectMs?: number,
): Promise<T> {
  const client = await connectSerf(endpoint, connectMs);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

export function endpointOf({ rpcPort, rpcSecret }: Pick<SerfSettings, 'rpcPort' | 'rpcSecret'>): Endpoint {
  return { host: '127.0.0.1', port: rpcPort, authKey: rpcSecret };
}

/** A Serf that no unit knows of but that has our secret is ours: its record was lost in a crash. */
async function endOrphan(endpoint: Endpoint): Promise<boolean> {
  try {
    await withSerf(endpoint, (client) => client.leave(), ORPHAN_MS);
    return true;
  } catch {
    // Somebody else's program: the condition tells.
    return false;
  }
}

/** The loop and an operator's `leave` must not step on each other's toes. */
function createLock() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
}
