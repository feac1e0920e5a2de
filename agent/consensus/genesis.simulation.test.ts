import * as assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Random, randomFrom } from '../testing/random.ts';
import { createWorld, type World } from './testing/world.ts';

/** Enough to meet rare orders of events; `CLUSTEROS_SCHEDULES=20000` for a night. */
const SCHEDULES = Number(process.env.CLUSTEROS_SCHEDULES ?? 300);

const geneses = (world: World) =>
  new Set(world.machines.flatMap(({ disk }) => (disk.genesis ? [disk.genesis.uuid] : [])));
const all = (world: World) => world.machines.map((_, index) => index);
const startAll = (world: World) => {
  for (const machine of world.machines) machine.start();
};

describe('genesis, simulated', () => {
  test('with an expected size no schedule of losses, partitions and crashes confirms two clusters, and peace makes one', async () => {
    let rivals = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const random = randomFrom(seed);
      const size = 2 + random.below(5);
      const world = createWorld({ size, random, expect: size });
      await (seed % 2 === 0 ? trouble : malice)(world, random, 60_000 + random.below(300_000));
      if (world.everFounded.size > 1) rivals += 1;
      assert.ok(world.everConfirmed.size <= 1, `seed ${seed}: two confirmed clusters`);
      world.groups = [all(world)];
      world.loss = 0;
      startAll(world);
      await world.run(200_000);
      assert.equal(
        world.everConfirmed.size,
        1,
        `seed ${seed}: ${world.everConfirmed.size} confirmed clusters`,
      );
      assert.deepEqual([...geneses(world)], [...world.everConfirmed], `seed ${seed}: not all in one cluster`);
    }
    assert.ok(rivals >= SCHEDULES / 20, `only ${rivals} schedules had two founders: they show little`);
  });

  test('machines outside the half of six wait on both sides, and become one cluster when they meet', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = createWorld({ size: 6, random: randomFrom(seed), expect: 6 });
      world.groups = [
        [0, 1, 2],
        [3, 4, 5],
      ];
      startAll(world);
      await world.run(180_000);
      assert.equal(geneses(world).size, 0, `seed ${seed}`);
      for (const { view } of world.machines) {
        assert.deepEqual(view?.step, { kind: 'wait', for: 'machines', seen: 3, needed: 4 });
      }
      world.groups = [all(world)];
      await world.run(30_000);
      assert.equal(geneses(world).size, 1, `seed ${seed}`);
      assert.ok(world.machines.every(({ disk }) => disk.confirmed && disk.genesis));
    }
  });

  test('of six machines that expect three none begins, cut or not, until six are expected', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = randomFrom(seed);
      const world = createWorld({ size: 6, random, expect: 3 });
      startAll(world);
      // Cut at the worst moment: a founder has the promises, and nobody has confirmed what it founds.
      for (let left = 30; left > 0 && world.everFounded.size === 0; left--) await world.run(100);
      await world.run(random.below(17_000));
      const side = all(world).sort(() => random.next() - 0.5);
      world.groups = [side.slice(0, 3), side.slice(3)];
      if (seed % 3 === 0) {
        for (const machine of world.machines) machine.crash();
        startAll(world);
      }
      await world.run(200_000);
      assert.equal(world.everConfirmed.size, 0, `seed ${seed}`);
      for (const { view } of world.machines) {
        assert.deepEqual(view?.step, { kind: 'wait', for: 'expect', known: 6 }, `seed ${seed}`);
      }
      world.expect = 6;
      await world.run(60_000);
      assert.equal(geneses(world).size, 0, `seed ${seed}: three of six`);
      world.groups = [all(world)];
      await world.run(60_000);
      assert.equal(world.everConfirmed.size, 1, `seed ${seed}`);
      assert.deepEqual([...geneses(world)], [...world.everConfirmed], `seed ${seed}`);
    }
  });

  test('machines that come one by one join a cluster of fewer expected, and begin no second', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = randomFrom(seed);
      const world = createWorld({ size: 6, random, expect: 3 });
      for (const machine of world.machines) {
        machine.start();
        await world.run(random.below(8_000));
        if (random.chance(0.3)) {
          const sides = world.machines.map(() => random.below(2));
          world.groups = [0, 1].map((side) => all(world).filter((index) => sides[index] === side));
        }
        await world.run(random.below(3_000));
        world.groups = [all(world)];
        await world.run(random.below(3_000));
      }
      await world.run(100_000);
      assert.ok(world.everConfirmed.size <= 1, `seed ${seed}`);
      const stands = world.everConfirmed.size === 1;
      const holds = world.machines.every(
        ({ view }) => view?.step.kind === 'wait' && view.step.for === 'expect',
      );
      assert.ok(stands ? geneses(world).size === 1 : holds, `seed ${seed}`);
    }
  });

  test('machines that look faster than news of a cluster travels come to one all the same', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = createWorld({
        size: 6,
        random: randomFrom(seed),
        expect: 6,
        passMs: 200,
        cardMs: 4_000,
      });
      world.groups = [
        [0, 2, 4],
        [1, 3, 5],
      ];
      startAll(world);
      await world.run(20_000);
      world.groups = [all(world)];
      await world.run(100_000);
      assert.equal(geneses(world).size, 1, `seed ${seed}: ${world.everFounded.size} were founded`);
      assert.ok(
        world.machines.every(({ disk }) => disk.confirmed && disk.genesis),
        `seed ${seed}`,
      );
      assert.ok(world.everFounded.size <= 6, `seed ${seed}: ${world.everFounded.size} were founded`);
    }
  });

  test('four of six begin, the two others join them later', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = createWorld({ size: 6, random: randomFrom(seed), expect: 6 });
      world.groups = [
        [1, 2, 4, 5],
        [0, 3],
      ];
      startAll(world);
      await world.run(30_000);
      assert.equal(geneses(world).size, 1, `seed ${seed}`);
      for (const index of [0, 3]) assert.equal(world.machines[index]?.disk.genesis, undefined);
      world.groups = [all(world)];
      await world.run(20_000);
      assert.equal(geneses(world).size, 1);
      assert.ok(world.machines.every(({ disk }) => disk.confirmed && disk.genesis));
    }
  });

  test('a founder that dies with the promises is passed over after a minute, and follows when it is back', async () => {
    const world = createWorld({ size: 5, random: randomFrom(7), expect: 5 });
    startAll(world);
    const [founder] = world.machines;
    assert.ok(founder);
    while (founder.disk.promise === undefined) await world.run(100);
    founder.crash();
    await world.run(120_000);
    const [uuid, ...more] = geneses(world);
    assert.ok(uuid !== undefined && more.length === 0);
    founder.start();
    await world.run(20_000);
    assert.equal(founder.disk.genesis?.uuid, uuid);
  });

  test('without an expected size machines that start together make one cluster', async () => {
    let splits = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const random = randomFrom(seed);
      const world = createWorld({ size: 2 + random.below(5), random });
      world.loss = random.pick([0, 0.1, 0.3]);
      for (const machine of world.machines) {
        machine.start();
        await world.run(random.below(6_000));
      }
      await world.run(60_000);
      world.loss = 0;
      await world.run(60_000);
      // Where losses kept two pairs apart long enough, both clusters stand, and say so.
      const split = geneses(world).size > 1;
      assert.ok(
        !split || world.machines.every(({ view }) => view?.meeting.kind === 'conflict'),
        `seed ${seed}`,
      );
      splits += Number(split);
    }
    assert.ok(splits <= SCHEDULES / 100, `${splits} of ${SCHEDULES} schedules made two clusters`);
  });

  test('a founder that left and comes back does not begin its cluster a second time', async () => {
    for (const expect of [undefined, 3]) {
      const world = createWorld({ size: 3, random: randomFrom(5), expect });
      startAll(world);
      await world.run(60_000);
      const founder = world.machines.find(({ id, disk }) => id === disk.genesis?.founder);
      const uuid = founder?.disk.genesis?.uuid;
      assert.ok(founder !== undefined && world.machines.every(({ disk }) => disk.confirmed));
      founder.crash();
      founder.disk = {};
      founder.start();
      await world.run(60_000);
      assert.equal(founder.disk.genesis?.uuid, uuid);
      assert.ok(founder.disk.started, 'it would start etcd as a new cluster');
    }
  });

  test('two provisional clusters that meet become one; the one without data gives way', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const world = createWorld({ size: 2, random: randomFrom(seed) });
      const [one, other] = world.machines;
      assert.ok(one && other);
      world.groups = [[0], [1]];
      startAll(world);
      await world.run(20_000);
      assert.equal(geneses(world).size, 2);
      if (seed % 3 === 0) other.written = true;
      if (seed % 4 === 0) one.written = true;
      world.groups = [[0, 1]];
      await world.run(40_000);
      if (!other.written || !one.written) {
        assert.equal(geneses(world).size, 1, `seed ${seed}`);
        const [stays] = world.machines.filter(({ written }) => written);
        if (stays) assert.deepEqual([...geneses(world)], [stays.disk.genesis?.uuid]);
        assert.equal(stays?.disk.genesis?.founder ?? one.id, (stays ?? one).id);
      } else {
        assert.equal(geneses(world).size, 2);
        for (const { view } of world.machines) assert.equal(view?.meeting.kind, 'conflict');
      }
    }
  });

  test('two clusters of two that meet are told apart on both sides, and nobody goes over', async () => {
    const world = createWorld({ size: 4, random: randomFrom(3) });
    world.groups = [
      [0, 1],
      [2, 3],
    ];
    startAll(world);
    await world.run(40_000);
    const before = world.machines.map(({ disk }) => disk.genesis?.uuid);
    world.groups = [all(world)];
    await world.run(60_000);
    assert.deepEqual(
      world.machines.map(({ disk }) => disk.genesis?.uuid),
      before,
    );
    for (const { view } of world.machines) assert.equal(view?.meeting.kind, 'conflict');
  });

  test('a machine with a join list never begins alone', async () => {
    const world = createWorld({ size: 1, random: randomFrom(1), joins: true });
    startAll(world);
    await world.run(300_000);
    assert.deepEqual(world.machines[0]?.view?.step, { kind: 'wait', for: 'join' });
  });
});

async function trouble(world: World, random: Random, ms: number): Promise<void> {
  world.loss = random.pick([0, 0.1, 0.3, 0.6]);
  const end = world.nowMs() + ms;
  while (world.nowMs() < end) {
    const machine = random.pick(world.machines);
    if (machine.up && random.chance(0.3)) machine.crash();
    else machine.start();
    if (random.chance(0.2)) {
      const sides = world.machines.map(() => random.below(random.pick([1, 2, 2, 3])));
      world.groups = [0, 1, 2].map((side) => all(world).filter((index) => sides[index] === side));
    }
    await world.run(random.below(random.pick([300, 3_000, 20_000])));
  }
}

/** Cut the machines apart whenever a genesis is neither confirmed nor lost: what is worst for agreement. */
async function malice(world: World, random: Random, ms: number): Promise<void> {
  const end = world.nowMs() + ms;
  startAll(world);
  let known = 0;
  while (world.nowMs() < end) {
    await world.run(50 + random.below(400));
    if (world.everFounded.size === known) continue;
    if (random.chance(0.5)) await world.run(random.below(2_500));
    known = world.everFounded.size;
    const founders = all(world).filter((index) => world.machines[index]?.disk.genesis !== undefined);
    const cut = new Set([random.pick(founders.length > 0 ? founders : all(world))]);
    for (const index of all(world)) if (random.chance(0.2)) cut.add(index);
    world.groups = [[...cut], all(world).filter((index) => !cut.has(index))];
    if (random.chance(0.3)) random.pick(world.machines).crash();
    await world.run(random.below(90_000));
    startAll(world);
    if (random.chance(0.4)) world.groups = [all(world)];
  }
}
