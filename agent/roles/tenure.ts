import type { EtcdClient } from '../consensus/etcd/types.ts';
import { KEYS } from '../registry/keys.ts';
import { modOf, writeBeat } from './beat.ts';
import { settled, type Time, textOf, withDeadline } from './deadline.ts';
import { fencedTxn } from './fence.ts';
import { phaseOf, type SeenKey } from './lease.ts';
import { createTerms, type Pace } from './terms.ts';

interface Right {
  readonly fence: string;
  /** By which the holder abides at first. */
  readonly leaseMs: number;
  /** Asked before each step that changes something: a process that was suspended may wake in the middle. */
  mayAct(): boolean;
}

/** What a role does on the machine that holds it. */
export interface Effects {
  start(right: Right, signal: AbortSignal): Promise<void>;
  /** Everything of the role is gone when it settles, `deadlineMs` from now at the latest. May be called twice. */
  stop(deadlineMs: number): Promise<void>;
  health(): Promise<true | string>;
  /** The lease is another one from now on; settles when the agent is watched over as closely as it needs. */
  lease(leaseMs: number): Promise<void>;
  /** After each counted beat: until when (ms since boot) the role is ours at the latest. */
  proven(fence: string, endsMs: number): void;
}

/** Given back in order; the role does not work here; or the lease, or the role itself, was lost. */
export type End = 'given-back' | 'fault' | 'lost';

interface TenureDeps {
  readonly role: string;
  readonly client: Pick<EtcdClient, 'txn'>;
  readonly time: Time;
  readonly pace: Pace;
  readonly effects: Effects;
  /** Goes into the key. */
  readonly holder: { readonly id: string; readonly address?: string | undefined };
  /** Differs in each run of the agent. */
  readonly instance: string;
  readonly isoNow: () => string;
  /** How long a start may take before health counts. */
  readonly startMs: number;
  /** How long an orderly stop may take. */
  readonly stopMs: number;
  readonly changed: () => void;
  /** A tenure ended for this reason. */
  readonly ended: (reason: string, how: End) => void;
}

export interface Tenure {
  readonly state: 'idle' | 'taking' | 'holding' | 'stopping';
  readonly fence: string | undefined;
  /** Create the key, after removing one that has been silent for a whole lease. Never throws. */
  take(silent: SeenKey | undefined): Promise<void>;
  /** Go at another pace: at once when idle, else as soon as nobody can be misled by it. */
  adapt(pace: Pace): void;
  /** Stop in order, then give the key back. Settles when all is done; never throws. */
  resign(reason: string): Promise<void>;
  /** The key as a watch shows it: a later holder's ends us at once, one that we left behind is removed. */
  witness(key: SeenKey | undefined): void;
}

/** In order, because the lease ends, or because somebody else holds the role already. */
type Why = 'order' | 'late' | 'lost';

const LATE = 'the lease could not be renewed in time';
const LOST = 'the role went to another node';
const [HEALTH_MS, HEALTH_FAILURES] = [2_000, 3];
/** Timers do not count the sleep of a machine: look at the clock this often. */
const WATCH_MS = 250;

/** One node's hold on one role: it runs by itself, whatever the agent's loops do. */
export function createTenure(deps: TenureDeps): Tenure {
  const { role, client, time, effects } = deps;
  const terms = createTerms(deps.pace);
  /** Of our last write. */
  let mod = '';
  let state: Tenure['state'] = 'idle';
  let [fence, since]: [string | undefined, string] = [undefined, ''];
  let [beat, attempts] = [0, 0];
  let provenMs = Number.NEGATIVE_INFINITY;
  let ending: Promise<void> | undefined;
  let hurry: (why: Why) => void = () => {};
  let starting = false;
  let begun: Promise<void> = Promise.resolve();
  let working = new AbortController();
  let over = new AbortController();

  const set = (next: Tenure['state']) => {
    state = next;
    deps.changed();
  };
  const value = () =>
    JSON.stringify({
      ...deps.holder,
      since,
      attempt: `${deps.instance}.${attempts}`,
      lease: terms.toldMs / 1000,
      beat,
    });
  const bounded = <T>(call: Promise<T>): Promise<T> => withDeadline(call, terms.timing.callMs, time);
  const phase = () => phaseOf(provenMs, time.nowMs(), terms.timing);
  const prove = (sentMs: number) => {
    provenMs = Math.max(provenMs, sentMs);
    effects.proven(fence ?? '', provenMs + terms.timing.goneAfterMs);
  };
  const shorten = async (everybodyAbides = terms.shorten(provenMs, time.nowMs())): Promise<void> => {
    if (everybodyAbides === undefined) return;
    prove(provenMs);
    await settled(effects.lease(terms.timing.leaseMs));
    everybodyAbides();
  };
  /** It is tried again when the watch shows the key; at worst its lease runs out. */
  const remove = async ({ createRevision }: Pick<SeenKey, 'createRevision'>): Promise<void> => {
    const gone = { kind: 'delete', key: KEYS.role(role) } as const;
    await settled(bounded(fencedTxn(client, role, createRevision, [gone])));
  };

  const take = async (silent: SeenKey | undefined): Promise<void> => {
    if (state !== 'idle') return;
    set('taking');
    terms.begin();
    const key = KEYS.role(role);
    try {
      if (silent !== undefined) {
        // Its holder has stopped unless there was a beat meanwhile; then nothing is removed.
        const mod = { key, target: 'mod', value: silent.modRevision } as const;
        await bounded(client.txn({ compare: [mod], success: [{ kind: 'delete', key }] }));
      }
      attempts += 1;
      beat = 0;
      since = deps.isoNow();
      const sentMs = time.nowMs();
      const absent = { key, target: 'create', value: '0' } as const;
      const answer = await bounded(
        client.txn({ compare: [absent], success: [{ kind: 'put', key, value: value() }] }),
      );
      if (!answer.succeeded) return set('idle');
      fence = answer.revision;
      mod = answer.revision;
      provenMs = sentMs;
      if (phase() !== 'held') {
        const late = { createRevision: fence };
        fence = undefined;
        set('idle');
        return await remove(late);
      }
      begin();
    } catch {
      // Whether the key was written is unknown; if it was, the watch shows it and it is removed.
      set('idle');
    }
  };

  const begin = () => {
    [working, over, ending] = [new AbortController(), new AbortController(), undefined];
    set('holding');
    prove(provenMs);
    void watchdog();
    void beats();
    begun = work();
  };

  const watchdog = async (): Promise<void> => {
    while (!over.signal.aborted) {
      if (phase() !== 'held') {
        void finish(LATE, 'late', false);
        return;
      }
      const left = provenMs + terms.timing.stopAfterMs - time.nowMs();
      await time.pause(Math.min(Math.max(1, left), WATCH_MS), over.signal);
    }
  };

  const beats = async (): Promise<void> => {
    let waitMs = terms.timing.beatMs;
    while (!over.signal.aborted) {
      await time.pause(waitMs, over.signal);
      if (over.signal.aborted || phase() !== 'held') return;
      const sentMs = time.nowMs();
      beat += 1;
      try {
        terms.tell(sentMs);
        const told = terms.toldMs;
        const answer = await bounded(writeBeat(client, role, { fence: fence ?? '', mod, value: value() }));
        if (over.signal.aborted) return;
        if (!answer.succeeded) {
          mod = modOf(answer, fence) ?? '';
          if (mod === '') return void finish(LOST, 'lost', false);
          // A beat that was not answered has been written after all: this one was not.
          waitMs = 0;
          continue;
        }
        mod = answer.revision;
        if (terms.lengthen(told)) void settled(effects.lease(terms.timing.leaseMs));
        prove(sentMs);
        await shorten();
        // A late answer counts from when it was asked for: it may be over already.
        if (phase() !== 'held') return void finish(LATE, 'late', false);
        waitMs = Math.max(0, terms.timing.beatMs - (time.nowMs() - sentMs));
      } catch {
        waitMs = terms.timing.retryMs;
      }
    }
  };

  const work = async (): Promise<void> => {
    const signal = working.signal;
    try {
      starting = true;
      const right = { fence: fence ?? '', leaseMs: terms.timing.leaseMs, mayAct: () => phase() === 'held' };
      await effects.start(right, signal);
      starting = false;
      if (!signal.aborted) await watchHealth(signal);
    } catch (error) {
      if (!signal.aborted) void finish(textOf(error), 'order', true);
    }
  };

  const watchHealth = async (signal: AbortSignal): Promise<void> => {
    const startedMs = time.nowMs();
    let failures = 0;
    while (!signal.aborted) {
      const health = await withDeadline(effects.health(), HEALTH_MS * 2 * terms.slack, time).catch(textOf);
      if (signal.aborted) return;
      failures = health === true ? 0 : failures + 1;
      const late = time.nowMs() - startedMs >= deps.startMs * terms.slack;
      if (health !== true && late && failures >= HEALTH_FAILURES) {
        return void finish(health, 'order', true);
      }
      await time.pause(HEALTH_MS, signal);
    }
  };

  /** The one way out of `holding`. Whatever else is under way, the stop itself is called before anything waits. */
  const finish = (reason: string, why: Why, fault: boolean): Promise<void> => {
    if (why !== 'order') hurry(why);
    if (ending === undefined && state === 'holding') ending = stopAll(reason, why, fault);
    return ending ?? Promise.resolve();
  };

  const stopAll = async (reason: string, why: Why, fault: boolean): Promise<void> => {
    working.abort();
    const stopBy = (kind: Why) => settled(effects.stop(deadlineOf(kind)));
    let stopping = stopBy(why);
    // An orderly stop goes on beating; should the lease end meanwhile, the rest is done in a hurry.
    const rush = new Promise<void>((resolve) => {
      hurry = (kind) => {
        stopping = stopBy(kind);
        resolve();
      };
    });
    const wasStarting = starting;
    set('stopping');
    await Promise.race([stopping, rush]);
    let clean = await stopping;
    await begun;
    // A start that was under way may have come after the stop.
    if (wasStarting) clean = await settled(effects.stop(0));
    while (!clean) {
      await time.pause(WATCH_MS);
      clean = await settled(effects.stop(0));
    }
    hurry = () => {};
    over.abort();
    const old = { createRevision: fence ?? '' };
    fence = undefined;
    await remove(old);
    ending = undefined;
    deps.ended(reason, fault ? 'fault' : why === 'order' ? 'given-back' : 'lost');
    set('idle');
  };

  const deadlineOf = (why: Why): number => {
    if (why === 'order') return deps.stopMs * terms.slack;
    return why === 'lost' ? 0 : Math.max(0, provenMs + terms.timing.goneAfterMs - time.nowMs());
  };

  return {
    get state() {
      return state;
    },
    get fence() {
      return fence;
    },
    take,
    adapt: terms.adapt,
    resign: (reason) => finish(reason, 'order', false),
    witness: (key) => {
      if (key === undefined) return;
      if (fence !== undefined && BigInt(key.createRevision) > BigInt(fence)) {
        void finish(LOST, 'lost', false);
      }
      const ours = key.attempt?.startsWith(`${deps.instance}.`) === true;
      if (ours && state === 'idle') void remove(key);
    },
  };
}
