import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howMany } from '../../test/depth.ts';
import { DEFAULT_SETTINGS, type StepName } from '../config/settings.ts';
import { randomFrom } from '../testing/random.ts';
import { type Agreement, mayStop, type Patience, planAgreement, type Report } from './agree.ts';
import { type Need, nextNeed } from './choose.ts';
import { timersOf } from './resource.ts';
import { sameEtcd, slowestOf } from './steps.ts';

/**
 * Clusters of one, three or five voters whose machines become busy and calm again, with agents of an older version,
 * fixed settings, machines that die and leaders that change: what all of them do, five seconds at a time.
 */
const SCHEDULES = howMany(40, 300, '300 schedules of trouble for timers', 1);
const LOOK_MS = 5_000;
const TROUBLE_MS = 2 * 3_600_000;
/** A leader that is new waits for the whole calm, of four hours at most, again. */
const PEACE_MS = 24 * 3_600_000;
/** An etcd that restarts answers nobody. */
const RESTART_MS = 20_000;
const LATE = [10, 50, 300, 1_200, 6_000];

interface Node {
  readonly id: string;
  /** Says nothing of timers and does nothing for them. */
  readonly old: boolean;
  readonly fixed: StepName | undefined;
  late: number;
  alive: boolean;
  downUntilMs: number;
  runs: StepName;
  need: Need | undefined;
  patience: Patience;
}

interface Result {
  readonly changes: number;
  readonly lastChangeMs: number;
  readonly step: StepName | undefined;
  readonly nodes: readonly Node[];
}

function run(seed: number): Result {
  const { next: random, pick } = randomFrom(seed);
  const count = pick([1, 3, 3, 5]);
  const nodes = Array.from({ length: count }, (_, index): Node => {
    const old = random() < 0.1;
    return {
      id: `n${index}`,
      old,
      fixed: !old && random() < 0.1 ? pick(['normal', 'slow'] as const) : undefined,
      late: pick(LATE),
      alive: true,
      downUntilMs: 0,
      runs: 'normal',
      need: undefined,
      patience: {},
    };
  });
  for (const node of nodes) if (node.fixed !== undefined) node.runs = node.fixed;
  const etcd = { agreed: undefined as Agreement | undefined, turn: undefined as string | undefined };
  const reports = new Map<string, Report>();
  const majority = Math.floor(count / 2) + 1;
  let [changes, lastChangeMs] = [0, 0];
  let leader = nodes[0] as Node;
  for (let nowMs = 0; nowMs < TROUBLE_MS + PEACE_MS; nowMs += LOOK_MS) {
    const serves = (node: Node) => node.alive && nowMs >= node.downUntilMs;
    if (nowMs < TROUBLE_MS && random() < 0.05) {
      const node = pick(nodes);
      if (random() < 0.6) node.late = pick(LATE);
      else node.alive = !node.alive;
    }
    if (nowMs >= TROUBLE_MS) for (const node of nodes) node.alive = true;
    const living = nodes.filter(serves);
    if (living.length < majority) continue;
    const moves = random() < (nowMs < TROUBLE_MS ? 0.01 : 0.000_5);
    if (!serves(leader) || moves) leader = pick(living);
    for (const node of living) {
      if (node.old) continue;
      node.need = nextNeed(node.need, node.late * (0.9 + random() * 0.2), nowMs);
      const timers = timersOf({
        self: node.id,
        settings: {
          ...DEFAULT_SETTINGS,
          consensus: { ...DEFAULT_SETTINGS.consensus, timers: node.fixed ?? 'auto' },
        },
        agreed: etcd.agreed,
        turn: etcd.turn,
        need: node.fixed ?? node.need.step,
        needWhy: '',
        lateness: undefined,
        place: 'voter',
        maySpare: mayStop(
          nodes.map((other) => ({ id: other.id, answers: serves(other) })),
          node.id,
        ),
        lostForMs: undefined,
        etcd: node.runs,
        remembered: undefined,
      });
      if (!sameEtcd(timers.etcd, node.runs)) {
        const others = nodes.filter((other) => other !== node && serves(other)).length;
        assert.ok(timers.turn, `seed ${seed}: ${node.id} restarts without its turn`);
        assert.ok(count <= 2 || others >= majority, `seed ${seed}: the quorum is lost by ${node.id}`);
        node.downUntilMs = nowMs + RESTART_MS;
      }
      node.runs = timers.etcd;
      if (!serves(node)) continue;
      reports.set(node.id, {
        need: timers.need,
        runs: timers.etcd,
        ...(node.fixed === undefined ? {} : { fixed: true }),
      });
    }
    if (leader.old || !serves(leader)) continue;
    const { step, patience } = planAgreement({
      nowMs,
      self: leader.id,
      agreed: etcd.agreed,
      voters: nodes.map((node) => ({ id: node.id, answers: serves(node) })),
      reports,
      turn: etcd.turn,
      patience: leader.patience,
      nameOf: (id) => id,
    });
    for (const node of nodes) node.patience = node === leader ? patience : {};
    if (step.kind === 'agree') {
      assert.equal(etcd.turn, undefined, `seed ${seed}: a new step while an etcd restarts`);
      etcd.agreed = step.agreement;
      changes += 1;
      lastChangeMs = nowMs;
    } else if (step.kind === 'give-turn') {
      assert.equal(etcd.turn, undefined, `seed ${seed}: two turns at once`);
      etcd.turn = step.id;
    } else if (step.kind === 'end-turn') etcd.turn = undefined;
  }
  return { changes, lastChangeMs, step: etcd.agreed?.step, nodes };
}

test(`${SCHEDULES} schedules: one etcd restarts at a time, never at the quorum's risk, and it comes to rest`, (t) => {
  let changes = 0;
  for (let seed = 1; seed <= SCHEDULES; seed += 1) {
    const result = run(seed);
    changes += result.changes;
    assert.ok(result.changes <= 40, `seed ${seed}: ${result.changes} changes in two hours of trouble`);
    const { nodes, step } = result;
    const wants = slowestOf(
      nodes.map((node) => (node.old ? 'normal' : (node.fixed ?? node.need?.step ?? 'normal'))),
    );
    // An older agent that leads leaves things as they are; leadership moves on now and then.
    if (nodes.every(({ old }) => old)) continue;
    assert.equal(step, wants, `seed ${seed}: the slowest voter's step in the end`);
    for (const node of nodes) {
      const expected = node.old ? 'normal' : (node.fixed ?? step ?? 'normal');
      assert.ok(sameEtcd(node.runs, expected), `seed ${seed}: ${node.id} runs ${node.runs}, not ${expected}`);
    }
  }
  t.diagnostic(`${changes} changes`);
  assert.ok(changes > SCHEDULES, 'too few changes to prove anything');
});
