import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howMany } from '../../test/depth.ts';
import { randomFrom } from '../testing/random.ts';
import { type LeaseTiming, timingOf } from './lease.ts';
import { type Arena, createArena, type Machine } from './testing/arena.ts';

/**
 * Five candidates with clocks that differ, messages that are lost or six seconds late, paths that are cut, agents
 * and whole machines that sleep, crashes, sick units, resignations: in virtual time, the same for each seed.
 */
const SCHEDULES = howMany(250, 1_000, '1,000 schedules of trouble for leases', 1);
const TROUBLE_MS = 60_000;
const PEACE_MS = 60_000;
/** Schedules in which the leases change too. */
const CHANGING = 150;
const LEASES = [4, 10, 30];

interface Result {
  /** Two units at one instant, if that happened. */
  readonly overlap: string | undefined;
  readonly heldAtEnd: boolean;
  readonly tenures: number;
}

async function runSchedule(
  seed: number,
  timing?: LeaseTiming,
  guarded = true,
  changing = false,
): Promise<Result> {
  const { next: random } = randomFrom(seed * 2654435761);
  const arena = createArena({ count: 5, random, guarded, ...(timing === undefined ? {} : { timing }) });
  let overlap: string | undefined;
  let tenures = 0;
  let last: Machine | undefined;
  const check = () => {
    const active = arena.active();
    if (active.length > 1) overlap ??= `${active.map(({ id }) => id.at(-1))} at ${arena.time.nowMs()} ms`;
    if (active[0] !== undefined && active[0] !== last) {
      last = active[0];
      tenures += 1;
    }
  };
  const trouble = () => {
    if (arena.time.nowMs() >= TROUBLE_MS) return;
    disturb(arena, random);
    arena.time.after(200 + random() * 6_000, trouble);
  };
  arena.time.after(random() * 3_000, trouble);
  const change = () => {
    const [machine, lease] = [pick(arena.machines, random), pick(LEASES, random)];
    machine.useLease(lease);
    if (arena.time.nowMs() < TROUBLE_MS) arena.time.after(random() * 4_000, change);
  };
  if (changing) change();
  await arena.time.run(TROUBLE_MS, check);
  for (const machine of arena.machines) {
    machine.healthy = true;
    Object.assign(machine.path, { cut: false, calm: true });
  }
  await arena.time.run(TROUBLE_MS + PEACE_MS, check);
  return { overlap, heldAtEnd: arena.active().length === 1, tenures };
}

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T;
}

function disturb(arena: Arena, random: () => number): void {
  const holder = arena.active()[0];
  const any = arena.machines[Math.floor(random() * arena.machines.length)] as Machine;
  const machine = holder !== undefined && random() < 0.6 ? holder : any;
  const choice = Math.floor(random() * 7);
  if (choice <= 1) machine.path.cut = !machine.path.cut;
  else if (choice === 2) machine.sleep('agent', random() * 20_000);
  else if (choice === 3) machine.sleep('machine', random() * 20_000);
  else if (choice === 4) machine.crash(500 + random() * 5_000);
  else if (choice === 5) machine.healthy = !machine.healthy;
  else void machine.seat?.tenure.resign('the test says so');
}

test(`${SCHEDULES} schedules of trouble: never two holders at one instant, and one holder at the end`, async (t) => {
  let tenures = 0;
  for (let seed = 1; seed <= SCHEDULES; seed += 1) {
    const result = await runSchedule(seed);
    assert.equal(result.overlap, undefined, `seed ${seed}: two holders`);
    assert.ok(result.heldAtEnd, `seed ${seed}: nobody holds the role in the end`);
    tenures += result.tenures;
  }
  t.diagnostic(`${tenures} tenures`);
  assert.ok(tenures > SCHEDULES * 2, `${tenures} tenures: too few hand-overs to prove anything`);
});

test('schedules of trouble in which leases change meanwhile, each node by itself: never two holders', async (t) => {
  let tenures = 0;
  for (let seed = 1; seed <= CHANGING; seed += 1) {
    const result = await runSchedule(seed, undefined, true, true);
    assert.equal(result.overlap, undefined, `seed ${seed}: two holders`);
    assert.ok(result.heldAtEnd, `seed ${seed}: nobody holds the role in the end`);
    tenures += result.tenures;
  }
  t.diagnostic(`${tenures} tenures`);
  assert.ok(tenures > CHANGING, `${tenures} tenures: too few hand-overs to prove anything`);
});

/** How many of some schedules have two holders with a rule taken away. */
async function overlaps(timing: LeaseTiming, guarded = true): Promise<number> {
  let found = 0;
  for (let seed = 1; seed <= 60; seed += 1) {
    if ((await runSchedule(seed, timing, guarded)).overlap !== undefined) found += 1;
  }
  return found;
}

const usual = timingOf(10);

test('the simulation sees two holders when a holder stops only at the end of its lease', async () => {
  assert.ok((await overlaps({ ...usual, stopAfterMs: 10_000, goneAfterMs: 12_000 })) > 0);
});

test('the simulation sees two holders when a unit outlives an agent that sleeps', async () => {
  assert.ok((await overlaps(usual, false)) > 0);
});
