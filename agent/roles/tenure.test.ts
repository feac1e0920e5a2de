import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomFrom } from '../testing/random.ts';
import { compareVersions, fits } from '../workloads/versions.ts';
import { freeFromMs, phaseOf, sighted, timingOf } from './lease.ts';
import { planRole, type Situation } from './plan.ts';
import { type Arena, createArena, type Machine } from './testing/arena.ts';
import { turnMs } from './turn.ts';

const TIMING = timingOf(10);
const KEY = { id: 'B', attempt: 'x.1', createRevision: '5', modRevision: '5', leaseMs: 10_000 };

/** Five calm candidates, one of whom holds the role. */
async function settledArena(): Promise<{ arena: Arena; holder: Machine }> {
  const arena = createArena({ count: 5, random: randomFrom(1).next });
  for (const { path } of arena.machines) path.calm = true;
  await arena.time.run(20_000, () => {});
  const [holder] = arena.active();
  assert.ok(holder);
  return { arena, holder };
}

/** When another unit runs, in ms from now. */
async function untilHeldByAnother(arena: Arena, before: Machine): Promise<number> {
  const startMs = arena.time.nowMs();
  let heldMs: number | undefined;
  await arena.time.run(startMs + 30_000, () => {
    const other = arena.active().find((machine) => machine !== before);
    if (other !== undefined) heldMs ??= arena.time.nowMs() - startMs;
  });
  return heldMs ?? Number.POSITIVE_INFINITY;
}

test('the lease counts from before the beat was sent, and a clock that went back ends it', () => {
  assert.equal(phaseOf(1_000, 1_000, TIMING), 'held');
  assert.equal(phaseOf(1_000, 7_999, TIMING), 'held');
  assert.equal(phaseOf(1_000, 8_000, TIMING), 'stop');
  assert.equal(phaseOf(1_000, 10_000, TIMING), 'gone');
  assert.equal(phaseOf(1_000, 999, TIMING), 'gone');
});

test('a key is silent from when it was first seen as it is, by the longer of two leases', () => {
  const first = sighted(undefined, KEY, 100);
  assert.equal(freeFromMs(first, TIMING), 10_100);
  assert.equal(freeFromMs(sighted(first, KEY, 5_000), TIMING), 10_100);
  assert.equal(freeFromMs(sighted(first, { ...KEY, modRevision: '6' }, 5_000), TIMING), 15_000);
  assert.equal(freeFromMs(sighted(undefined, { ...KEY, leaseMs: 20_000 }, 0), TIMING), 20_000);
  assert.equal(freeFromMs(sighted(undefined, { ...KEY, leaseMs: undefined }, 0), TIMING), 60_000);
  assert.equal(freeFromMs(sighted(first, undefined, 200), TIMING), 200);
});

test('a role that is given back is held elsewhere within a second of its stop', async () => {
  const { arena, holder } = await settledArena();
  const startMs = arena.time.nowMs();
  let stoppedMs = 0;
  let heldMs = 0;
  void holder.seat?.tenure.resign('the test says so');
  await arena.time.run(startMs + 20_000, () => {
    if (!holder.unitRuns) stoppedMs ||= arena.time.nowMs();
    if (arena.active().some((machine) => machine !== holder)) heldMs ||= arena.time.nowMs();
  });
  assert.ok(stoppedMs > 0 && heldMs > stoppedMs && heldMs - stoppedMs < 1_000, `${heldMs - stoppedMs} ms`);
});

test('a role whose agent was killed is held elsewhere after its lease and no later than a second more', async () => {
  const { arena, holder } = await settledArena();
  holder.crash(60_000);
  const ms = await untilHeldByAnother(arena, holder);
  assert.ok(ms > 7_000 && ms < 11_500, `${ms} ms`);
});

test('a holder that is cut off has stopped before another begins', async () => {
  const { arena, holder } = await settledArena();
  holder.path.cut = true;
  const startMs = arena.time.nowMs();
  let stoppedMs = 0;
  arena.time.after(12_000, () => {});
  await arena.time.run(startMs + 12_000, () => {
    assert.ok(arena.active().length <= 1);
    if (!holder.unitRuns) stoppedMs ||= arena.time.nowMs() - startMs;
  });
  assert.ok(stoppedMs > 4_000 && stoppedMs < 9_500, `${stoppedMs} ms`);
  assert.equal(arena.active().length, 1);
});

test('a machine that slept past its lease stops in the instant it wakes', async () => {
  const { arena, holder } = await settledArena();
  holder.sleep('machine', 25_000);
  await arena.time.run(arena.time.nowMs() + 24_999, () => {});
  assert.ok(holder.unitRuns, 'asleep, it cannot have stopped');
  await arena.time.run(arena.time.nowMs() + 2, () => assert.ok(arena.active().length <= 1));
  assert.ok(!holder.unitRuns);
});

test('a role that does not work goes to another node, and stays away for a while', async () => {
  const { arena, holder } = await settledArena();
  holder.healthy = false;
  assert.ok((await untilHeldByAnother(arena, holder)) < 15_000);
  assert.ok(!holder.unitRuns);
});

test('a role that is moved is held by the other node as soon as its holder has stopped', async () => {
  const { arena, holder } = await settledArena();
  const target = arena.machines.findLast((machine) => machine !== holder);
  assert.ok(target);
  arena.move(target);
  await arena.time.run(arena.time.nowMs() + 6_000, () => assert.ok(arena.active().length <= 1));
  assert.deepEqual(arena.active(), [target]);
});

test('a role that is moved back at once does not wait until its former holder has rested', async () => {
  const { arena, holder } = await settledArena();
  const target = arena.machines.find((machine) => machine !== holder);
  assert.ok(target);
  arena.move(target);
  await arena.time.run(arena.time.nowMs() + 5_000, () => {});
  assert.deepEqual(arena.active(), [target]);
  arena.move(holder);
  await arena.time.run(arena.time.nowMs() + 5_000, () => {});
  assert.deepEqual(arena.active(), [holder]);
});

test('whoever takes a role because the node that it was moved to died keeps it', async () => {
  const { arena, holder } = await settledArena();
  const target = arena.machines.find((machine) => machine !== holder);
  assert.ok(target);
  target.crash(600_000);
  arena.move(target);
  await arena.time.run(arena.time.nowMs() + 20_000, () => {});
  const [next] = arena.active();
  assert.ok(next !== undefined && next !== target, 'a lease later another has it');
  await arena.time.run(arena.time.nowMs() + 60_000, () => assert.deepEqual(arena.active(), [next]));
});

const SITUATION: Situation = {
  me: 'A',
  may: true,
  quorum: true,
  tenure: 'idle',
  sighting: { key: undefined, sinceMs: 0 },
  turnMs: 0,
  backoffUntilMs: 0,
  lastFault: undefined,
  lastTryMs: Number.NEGATIVE_INFINITY,
  restUntilMs: Number.NEGATIVE_INFINITY,
  timing: TIMING,
};

const MESH_DOWN = { reason: 'the mesh is not up', endedBy: 'somebody mends it' };

test('a node that may not hold a role says why, and gives back what it holds', () => {
  const decision = planRole({ ...SITUATION, may: MESH_DOWN }, 5);
  assert.deepEqual(decision, { act: 'none', state: 'waiting', ...MESH_DOWN });
  assert.equal(planRole({ ...SITUATION, may: MESH_DOWN, tenure: 'holding' }, 5).act, 'resign');
});

test('an operator moves a role: its holder waits for the other to accept, and nobody else takes it meanwhile', () => {
  const move = (to: string, isAccepted: boolean, more: Partial<Situation> = {}) =>
    planRole({ ...SITUATION, turnMs: 300, move: { to, revision: '9', isAccepted }, ...more }, 1_000);
  assert.equal(move('B', false, { tenure: 'holding' }).act, 'none');
  assert.equal(move('B', true, { tenure: 'holding', fence: '8' }).act, 'resign');
  assert.equal(move('B', true, { tenure: 'holding', fence: '10' }).act, 'none', 'the other did not take it');
  assert.equal(move('A', true, { tenure: 'holding' }).act, 'none', 'it is here already');
  const free = { sighting: { key: undefined, sinceMs: 900 } };
  assert.equal(move('A', true, free).act, 'take', 'at once, whatever its turn');
  const other = move('B', true, free);
  assert.deepEqual(
    [other.act, other.atMs],
    ['none', 900 + TIMING.leaseMs + 300],
    'the other may be dead by then',
  );
  assert.match(other.reason ?? '', /an operator moves it/);
  assert.equal(move('B', false, free).atMs, 1_200, 'a wish that nobody accepted holds nobody back');
  const held = { sighting: { key: KEY, sinceMs: 900 } };
  assert.equal(move('A', true, held).act, 'none', 'a lease is a lease');
});

test('without a quorum a holder goes on to its lease and nobody begins', () => {
  assert.equal(planRole({ ...SITUATION, quorum: false, tenure: 'holding' }, 5).state, 'holding');
  assert.match(planRole({ ...SITUATION, quorum: false }, 5).reason ?? '', /quorum/);
});

test('a silent holder is taken over by its last revision, after the lease and our turn', () => {
  const sighting = { key: KEY, sinceMs: 1_000 };
  assert.equal(planRole({ ...SITUATION, sighting, turnMs: 150 }, 11_149).act, 'none');
  const decision = planRole({ ...SITUATION, sighting, turnMs: 150 }, 11_150);
  assert.deepEqual([decision.act, decision.silent], ['take', KEY]);
});

test('of two hundred nodes the living voters have the first turns, all different', () => {
  const ids = Array.from({ length: 200 }, (_, index) => `n${index}`);
  const voters = ids.slice(0, 5);
  const of = (me: string, alive = ids) => turnMs({ role: 'page', me, voters, alive });
  assert.deepEqual(
    voters.map((id) => of(id)).sort((a, b) => a - b),
    [0, 150, 300, 450, 600],
  );
  assert.ok(ids.slice(5).every((id) => of(id) >= 2_000 && of(id) <= 5_000));
  assert.ok(turnMs({ role: 'page', me: 'n0', voters, alive: ['n0'] }) === 0);
});

test('nobody waits for the turn of who held the role last', () => {
  const [former = '', second = '', third = ''] = ['a', 'b', 'c'].toSorted(
    (one, two) => turn(one) - turn(two),
  );
  function turn(me: string, last?: string) {
    const all = ['a', 'b', 'c'];
    return turnMs({ role: 'page', me, voters: all, alive: [...all, 'd'], former: last });
  }
  assert.deepEqual(
    [second, third, former].map((id) => turn(id, former)),
    [0, 150, 300],
  );
  assert.equal(turnMs({ role: 'page', me: 'd', voters: ['a'], alive: ['a', 'd'], former: 'a' }), 0);
});

test('a node with another image, or an older engine, than a role needs says so', () => {
  const own = { agent: '1', image: 'a', serf: '0.9.4', etcd: '3.4.23' };
  assert.equal(fits(undefined, own, []), true);
  assert.match(String(fits({ engines: { etcd: '3.4.29' } }, own, [])), /needs etcd 3\.4\.29.*has 3\.4\.23/);
  const other = { ...own, image: 'b' };
  assert.match(String(fits({ sameImage: true }, own, [other, other, own])), /needs the image b/);
  assert.equal(fits({ sameImage: true }, own, [own, own, other]), true);
  assert.ok(compareVersions('3.5.16', '3.4.30') > 0 && compareVersions('', '1') < 0);
});
