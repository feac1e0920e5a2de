import type { RoleState } from '../engine/resources.ts';
import type { Move } from '../registry/registry.ts';
import type { Obstacle } from '../workloads/workload.ts';
import { freeFromMs, type LeaseTiming, type SeenKey, type Sighting } from './lease.ts';
import type { Tenure } from './tenure.ts';

export interface Situation {
  readonly me: string;
  /** Whether this node may run the role, as far as it knows. */
  readonly may: true | Obstacle;
  /** Etcd answers; without it a holder goes on until its lease ends, and nobody else begins. */
  readonly quorum: boolean;
  readonly tenure: Tenure['state'];
  readonly sighting: Sighting | undefined;
  readonly turnMs: number;
  /** Of our tenure. */
  readonly fence?: string | undefined;
  /** An operator wants the role on a node, which has said that it takes it, or not yet. */
  readonly move?: (Pick<Move, 'to' | 'revision'> & { readonly isAccepted: boolean }) | undefined;
  /** A role that failed here is left to others until then. */
  readonly backoffUntilMs: number;
  readonly lastFault: string | undefined;
  readonly lastTryMs: number;
  /** It gave the role back: others have it until then, unless an operator wants it here. */
  readonly restUntilMs: number;
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
  /** What would end the reason. */
  readonly endedBy?: string | undefined;
}

/** An attempt that failed is not repeated sooner: the key is there, or etcd does not answer. */
const TRY_APART_MS = 1_000;

const NO_QUORUM: Obstacle = {
  reason: 'etcd has no quorum: a role needs one to be held',
  endedBy: 'more of the voters answer: start them, or mend the network between them',
};
const MOVES: Obstacle = {
  reason: 'an operator moves it to another node',
  endedBy: 'that node takes it; else another one after a lease',
};
const NOT_READ: Obstacle = {
  reason: 'it is not known yet who holds it',
  endedBy: 'etcd answers the first question, within seconds',
};

/** What to do about one role. Pure. */
export function planRole(it: Situation, nowMs: number): Decision {
  if (it.tenure === 'stopping') return { act: 'none', state: 'stopping' };
  if (it.tenure === 'taking') return { act: 'none', state: 'candidate' };
  const isElsewhere = it.move !== undefined && it.move.to !== it.me && it.move.isAccepted;
  if (it.tenure === 'holding') {
    if (it.may !== true) return { act: 'resign', state: 'stopping', ...it.may };
    return isElsewhere && !isLater(it.fence, it.move)
      ? { act: 'resign', state: 'stopping', ...MOVES }
      : { act: 'none', state: 'holding' };
  }
  if (it.may !== true) return { act: 'none', state: 'waiting', ...it.may };
  if (!it.quorum) {
    return { act: 'none', state: 'waiting', ...NO_QUORUM };
  }
  if (it.sighting === undefined) {
    return { act: 'none', state: 'waiting', ...NOT_READ };
  }
  if (nowMs < it.backoffUntilMs) {
    const reason = `it failed here: ${it.lastFault ?? 'for an unknown reason'}`;
    const endedBy = `tried again here in ${secondsTo(it.backoffUntilMs, nowMs)} s, unless another node has it by then`;
    return { act: 'none', state: 'failed', reason, endedBy, atMs: it.backoffUntilMs };
  }
  const { key } = it.sighting;
  // Whoever said that it takes the role may have died since.
  const turnMs = it.turnMs + (isElsewhere ? it.timing.leaseMs : 0);
  const freeMs = freeFromMs(it.sighting, it.timing);
  const ownMs = it.move?.to === it.me ? freeMs : Math.max(freeMs + turnMs, it.restUntilMs);
  const fromMs = Math.max(ownMs, it.lastTryMs + TRY_APART_MS);
  if (nowMs >= fromMs) return { act: 'take', silent: key, state: 'candidate' };
  if (key === undefined) {
    const endedBy = `one of them takes it; else this node in ${secondsTo(fromMs, nowMs)} s`;
    const reason = isElsewhere ? MOVES.reason : 'others come first';
    return { act: 'none', state: 'candidate', reason, endedBy, atMs: fromMs };
  }
  if (key.id === it.me) {
    const reason = 'this node held it before its agent ended';
    const endedBy = `that lease ends in ${secondsTo(fromMs, nowMs)} s`;
    return { act: 'none', state: 'waiting', reason, endedBy, atMs: fromMs };
  }
  return { act: 'none', state: 'candidate', atMs: fromMs };
}

/** Who took the role after the other node's yes did so because that node did not: it keeps it. */
export function isLater(fence: string | undefined, { revision }: Pick<Move, 'revision'>): boolean {
  return fence !== undefined && BigInt(fence) > BigInt(revision);
}

function secondsTo(ms: number, nowMs: number): number {
  return Math.ceil((ms - nowMs) / 1000);
}
