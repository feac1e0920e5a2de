import type { StepName } from '../config/settings.ts';

/** One pace of the whole cluster: what etcd counts by, and every limit that follows from it. */
export interface Step {
  readonly name: StepName;
  /** etcd's heartbeat and election. */
  readonly heartbeatMs: number;
  readonly electionMs: number;
  /** The least lease of a role. */
  readonly leaseSeconds: number;
  /** After which a dead voter is replaced, unless `consensus.grace` says otherwise. */
  readonly graceSeconds: number;
  /** One call of etcd. */
  readonly callMs: number;
  /** One question to the agent, such as `status`. */
  readonly answerMs: number;
  /** How much longer than usual the programs of roles may take to start, to answer and to end. */
  readonly slack: number;
  /** It holds while disk, scheduling and network together delay a message by no more than this. */
  readonly lateMs: number;
}

/**
 * The steps, fastest first. 100/1000 ms are etcd's own defaults; an election is more than twice what a step bears,
 * and a beat of the least lease more than four times. `fast` and `normal` differ in no timer of etcd: between them
 * nothing is restarted.
 */
const TABLE: readonly Step[] = [
  step('fast', [100, 1_000], { leaseSeconds: 4, graceSeconds: 60, callMs: 3_000, answerMs: 5_000 }, 1, 160),
  step(
    'normal',
    [100, 1_000],
    { leaseSeconds: 10, graceSeconds: 60, callMs: 3_000, answerMs: 5_000 },
    1,
    400,
  ),
  step(
    'slow',
    [500, 5_000],
    { leaseSeconds: 30, graceSeconds: 120, callMs: 10_000, answerMs: 15_000 },
    3,
    2_000,
  ),
  step(
    'slowest',
    [1_000, 10_000],
    { leaseSeconds: 60, graceSeconds: 300, callMs: 20_000, answerMs: 30_000 },
    6,
    Number.POSITIVE_INFINITY,
  ),
];

/** What nodes go by that nothing is known of, such as those with an older agent. */
export const USUAL: StepName = 'normal';

const BY_NAME = new Map(TABLE.map((one) => [one.name, one]));

export function stepOf(name: StepName): Step {
  const found = BY_NAME.get(name);
  if (found === undefined) throw new Error(`there is no step ${name}`);
  return found;
}

export function steps(): readonly Step[] {
  return TABLE;
}

/** Greater than 0 when the first is slower. Pure. */
export function compareSteps(a: StepName, b: StepName): number {
  return TABLE.indexOf(stepOf(a)) - TABLE.indexOf(stepOf(b));
}

export function slowestOf(names: readonly StepName[]): StepName | undefined {
  return names.toSorted(compareSteps).at(-1);
}

/** Whether etcd counts alike in both. Pure. */
export function sameEtcd(a: StepName, b: StepName): boolean {
  return stepOf(a).heartbeatMs === stepOf(b).heartbeatMs;
}

type Limits = Pick<Step, 'leaseSeconds' | 'graceSeconds' | 'callMs' | 'answerMs'>;

function step(
  name: StepName,
  [heartbeatMs, electionMs]: readonly [number, number],
  limits: Limits,
  slack: number,
  lateMs: number,
): Step {
  return { name, heartbeatMs, electionMs, ...limits, slack, lateMs };
}
