import type { RoleState } from '../engine/resources.ts';
import { freeFromMs, type LeaseTiming, type SeenKey, type Sighting } from './lease.ts';
import type { Tenure } from './tenure.ts';

export interface Situation {
  readonly me: string;
  /** Whether this node may run the role, as far as it knows. */
  readonly may: true | string;
  /** Etcd answers; without it a holder goes on until its lease ends, and nobody else begins. */
  readonly quorum: boolean;
  readonly tenure: Tenure['state'];
  readonly sighting: Sighting | undefined;
  readonly turnMs: number;
  /** A role that failed here is left to others until then. */
  readonly backoffUntilMs: number;
  readonly lastFault: string | undefined;
  readonly lastTryMs: number;
  readonly timing: LeaseTiming;
}

export interface Decision {
  readonly act: 'none' | 'take' | 'resign';
  /** For `take`: the key of a holder that has been silent for its whole lease. */
  readonly silent?: SeenKey | undefined;
  /** Decide again then. */
  readonly atMs?: number | undefined;
  readonly state: RoleState['state'];
  readonly reason?: string | undefined;
}

/** An attempt that failed is not repeated sooner: the key is there, or etcd does not answer. */
const TRY_APART_MS = 1_000;

/** What to do about one role. Pure. */
export function planRole(it: Situation, nowMs: number): Decision {
  if (it.tenure === 'stopping') return { act: 'none', state: 'stopping' };
  if (it.tenure === 'taking') return { act: 'none', state: 'candidate' };
  if (it.tenure === 'holding') {
    return it.may === true
      ? { act: 'none', state: 'holding' }
      : { act: 'resign', state: 'stopping', reason: it.may };
  }
  if (it.may !== true) return { act: 'none', state: 'waiting', reason: it.may };
  if (!it.quorum) {
    return { act: 'none', state: 'waiting', reason: 'etcd has no quorum: a role needs one to be held' };
  }
  if (it.sighting === undefined) {
    return { act: 'none', state: 'waiting', reason: 'it is not known yet who holds it' };
  }
  if (nowMs < it.backoffUntilMs) {
    const seconds = Math.ceil((it.backoffUntilMs - nowMs) / 1000);
    const reason = `it failed here (${it.lastFault ?? 'for an unknown reason'}); tried again in ${seconds} s`;
    return { act: 'none', state: 'failed', reason, atMs: it.backoffUntilMs };
  }
  const { key } = it.sighting;
  const fromMs = Math.max(freeFromMs(it.sighting, it.timing) + it.turnMs, it.lastTryMs + TRY_APART_MS);
  if (nowMs >= fromMs) return { act: 'take', silent: key, state: 'candidate' };
  if (key === undefined)
    return { act: 'none', state: 'candidate', reason: 'others come first', atMs: fromMs };
  if (key.id === it.me) {
    const seconds = Math.ceil((fromMs - nowMs) / 1000);
    const reason = `this node held it before its agent ended; free in ${seconds} s`;
    return { act: 'none', state: 'waiting', reason, atMs: fromMs };
  }
  return { act: 'none', state: 'candidate', atMs: fromMs };
}
