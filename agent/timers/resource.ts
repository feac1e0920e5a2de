import type { Settings, StepName } from '../config/settings.ts';
import type { Place, Timers } from '../engine/resources.ts';
import type { Agreement } from './agree.ts';
import { type Lateness, leaseFor } from './choose.ts';
import { compareSteps, sameEtcd, slowestOf, stepOf, USUAL } from './steps.ts';

/** What the pace of this node follows from. */
export interface Situation {
  readonly self: string;
  readonly settings: Settings;
  readonly agreed: Agreement | undefined;
  /** Node id of the voter that may restart its etcd. */
  readonly turn: string | undefined;
  readonly need: StepName;
  /** What makes it need that. */
  readonly needWhy: string;
  readonly lateness: Lateness | undefined;
  readonly place: Place;
  /** The other voters, as far as this node sees, go on without it. */
  readonly maySpare: boolean;
  /** For how long this node of a cluster has had no majority, in ms. */
  readonly lostForMs: number | undefined;
  /** What etcd here was last to run with. */
  readonly etcd: StepName | undefined;
  /** What was last agreed on, from the disk. */
  readonly remembered: StepName | undefined;
}

/** Timers that are too short may be what keeps the voters from a majority: nobody can agree on others then. */
const ALONE_MS = 20_000;

/** The step that the settings fix, if they do. Pure. */
export function fixedStep({ consensus: { timers } }: Settings): StepName | undefined {
  if (timers === 'auto') return undefined;
  return timers === 'lan' ? 'normal' : timers;
}

/** The pace of this node. Pure. */
export function timersOf(it: Situation): Timers {
  const { step, source, why } = stepFor(it);
  return {
    step,
    source,
    why,
    ...etcdFor(it, step, source),
    need: it.need,
    lateness: it.lateness,
    leaseSeconds: leaseFor(step, it.need, it.settings.roles.lease),
    graceSeconds: it.settings.consensus.grace ?? stepOf(slowestOf([step, it.need]) ?? step).graceSeconds,
  };
}

/** Until the first look. Pure. */
export function usualTimers(settings: Settings): Timers {
  return timersOf({
    self: '',
    settings,
    agreed: undefined,
    turn: undefined,
    need: fixedStep(settings) ?? USUAL,
    needWhy: '',
    lateness: undefined,
    place: 'none',
    maySpare: false,
    lostForMs: undefined,
    etcd: undefined,
    remembered: undefined,
  });
}

function stepFor(it: Situation): Pick<Timers, 'step' | 'source' | 'why'> {
  const fixed = fixedStep(it.settings);
  if (fixed !== undefined) {
    const others = it.agreed !== undefined && it.agreed.step !== fixed ? it.agreed.step : undefined;
    const why = `consensus.timers is set${others === undefined ? '' : `; the cluster's pace is ${others}`}`;
    return { step: fixed, source: 'settings', why };
  }
  const known = it.agreed?.step ?? it.remembered;
  if (known === undefined) return { step: it.need, source: 'own', why: it.needWhy };
  const lost = it.lostForMs !== undefined && it.lostForMs >= ALONE_MS;
  if (lost && compareSteps(it.need, known) > 0) {
    return { step: it.need, source: 'own', why: `there is no quorum to agree with; ${it.needWhy}` };
  }
  return { step: known, source: 'cluster', why: it.agreed?.why ?? 'as it was before the agent started' };
}

/** A voter's etcd changes in its turn only, or when there is no majority that could be lost. */
function etcdFor(it: Situation, step: StepName, source: Timers['source']): Pick<Timers, 'etcd' | 'turn'> {
  const serves = it.place === 'voter' || it.place === 'learner';
  if (source === 'settings' || !serves || it.etcd === undefined || sameEtcd(it.etcd, step)) {
    return { etcd: step, turn: false };
  }
  // The leader has looked too, but a voter may have died since.
  const turn = (it.turn === it.self && it.maySpare) || (source === 'own' && it.lostForMs !== undefined);
  return turn ? { etcd: step, turn } : { etcd: it.etcd, turn };
}
