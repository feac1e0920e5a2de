import * as assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomFrom } from '../testing/random.ts';
import { targetVoters } from './membership.ts';
import { createEnsemble, type Ensemble } from './testing/ensemble.ts';

const SCHEDULES = Number(process.env.CLUSTEROS_SCHEDULES ?? 150);

function run(ensemble: Ensemble, seconds: number, where: string): void {
  for (let second = 0; second < seconds; second++) {
    const before = ensemble.hasQuorum();
    const voters = ensemble.voters().length;
    const step = ensemble.tick();
    if (step === undefined) continue;
    assert.ok(!before || ensemble.hasQuorum(), `${where}: ${step.kind} lost the quorum`);
    assert.ok(Math.abs(ensemble.voters().length - voters) <= 1, `${where}: two changes at once`);
    assert.ok(ensemble.voters().length <= 5, `${where}: too many voters`);
    assert.ok(ensemble.members.filter(({ learner }) => learner).length <= 1, `${where}: two learners`);
  }
}

const names = (ensemble: Ensemble) =>
  ensemble
    .voters()
    .map(({ name }) => name)
    .sort();
const node = (ensemble: Ensemble, index: number) => {
  const found = ensemble.nodes[index];
  assert.ok(found);
  return found;
};

describe('membership, simulated', () => {
  test('no schedule of crashes, partitions, lost data and departures loses the quorum by a change, and peace brings the wanted voters', () => {
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const random = randomFrom(seed);
      const size = 1 + random.below(9);
      const ensemble = createEnsemble(size, random);
      run(ensemble, 90, `seed ${seed}`);
      for (let event = 0; event < 25; event++) {
        const one = random.pick(ensemble.nodes);
        const kind = random.below(9);
        if (kind <= 1) one.up = false;
        else if (kind <= 4) one.up = true;
        else if (kind === 5) ensemble.groups = ensemble.groups.map(() => random.below(2));
        else if (kind === 6) ensemble.groups = ensemble.groups.map(() => 0);
        else if (kind === 7 && ensemble.voters().length > 2 && spares(ensemble)) one.hasData = false;
        else if (kind === 8 && ensemble.leaving.size < size - 1) ensemble.leaving.add(one.id);
        run(ensemble, random.below(random.pick([5, 40, 200])), `seed ${seed}`);
      }
      ensemble.groups = ensemble.groups.map(() => 0);
      for (const one of ensemble.nodes) one.up = true;
      run(ensemble, 400, `seed ${seed}`);
      for (const one of ensemble.nodes.filter(({ id }) => ensemble.leaving.has(id))) {
        assert.ok(!names(ensemble).includes(one.id), `seed ${seed}: ${one.id} could not leave`);
        one.left = true;
        one.up = false;
      }
      run(ensemble, 2_000, `seed ${seed}`);
      assert.ok(ensemble.hasQuorum(), `seed ${seed}: no quorum although all are up`);
      assert.equal(ensemble.voters().length, targetVoters(size - ensemble.leaving.size), `seed ${seed}`);
      assert.ok(ensemble.nodes.every(({ id, hasData }) => !names(ensemble).includes(id) || hasData));
    }
  });

  test('one voter below three machines, three below seven, then five', () => {
    for (const [size, voters] of [
      [1, 1],
      [2, 1],
      [3, 3],
      [6, 3],
      [7, 5],
      [9, 5],
    ] as const) {
      const ensemble = createEnsemble(size, randomFrom(size));
      run(ensemble, 120, `${size}`);
      assert.equal(ensemble.voters().length, voters, `${size} machines`);
      const copies = ensemble.members.filter(({ learner, name }) => learner && name !== '').length;
      assert.equal(copies, size === 2 ? 1 : 0, `${size} machines`);
    }
  });

  test('of two machines one keeps a copy, also while it is off, and votes once a third is there', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const ensemble = createEnsemble(3, randomFrom(seed));
      const [copy, third] = [node(ensemble, 1), node(ensemble, 2)];
      third.up = false;
      run(ensemble, 900, 'two');
      const learners = () => ensemble.members.filter(({ learner }) => learner).map(({ name }) => name);
      assert.deepEqual([names(ensemble), learners()], [['node0'], ['node1']]);
      copy.up = false;
      run(ensemble, 1_000, 'one');
      assert.deepEqual([names(ensemble), learners()], [['node0'], ['node1']]);
      assert.ok(copy.hasData);
      copy.up = true;
      third.up = true;
      run(ensemble, 120, 'three');
      assert.deepEqual([names(ensemble), learners()], [['node0', 'node1', 'node2'], []]);
    }
  });

  test('a copy that is gone gives its place to the next machine', () => {
    const ensemble = createEnsemble(3, randomFrom(9));
    const [copy, third] = [node(ensemble, 1), node(ensemble, 2)];
    third.up = false;
    run(ensemble, 60, 'two');
    copy.up = false;
    third.up = true;
    run(ensemble, 120, 'another two');
    assert.deepEqual(names(ensemble), ['node0']);
    assert.deepEqual(
      ensemble.members.filter(({ learner }) => learner).map(({ name }) => name),
      ['node2'],
    );
  });

  test('a dead voter is replaced after the grace time and not before', () => {
    const ensemble = createEnsemble(5, randomFrom(1), 60_000);
    run(ensemble, 120, 'growth');
    const before = names(ensemble);
    const victim = ensemble.nodes.find(({ id }) => id === before[1]);
    assert.ok(victim);
    victim.up = false;
    run(ensemble, 55, 'grace');
    assert.deepEqual(names(ensemble), before);
    run(ensemble, 60, 'after');
    assert.equal(ensemble.voters().length, 3);
    assert.ok(!names(ensemble).includes(victim.id));
  });

  test('a dead voter that nobody can replace keeps its place, so that it counts when it is back', () => {
    const ensemble = createEnsemble(3, randomFrom(2));
    run(ensemble, 60, 'growth');
    const before = names(ensemble);
    node(ensemble, 2).up = false;
    run(ensemble, 3_000, 'dead');
    assert.deepEqual(names(ensemble), before);
  });

  test('when four of six machines die for ever, the voters that are left do not shrink their number by themselves', () => {
    const ensemble = createEnsemble(6, randomFrom(5));
    run(ensemble, 90, 'growth');
    const [first] = names(ensemble);
    for (const one of ensemble.nodes) if (one.id !== first && one.id !== 'node5') one.up = false;
    run(ensemble, 5_000, 'dead');
    assert.equal(ensemble.voters().length, 3);
  });

  test('a leader that leaves hands over and goes; a single voter first brings up another', () => {
    for (const size of [2, 3, 5]) {
      const ensemble = createEnsemble(size, randomFrom(size));
      run(ensemble, 90, 'growth');
      const leaving = node(ensemble, 0);
      ensemble.leaving.add(leaving.id);
      run(ensemble, 120, 'leave');
      assert.ok(!names(ensemble).includes(leaving.id), `${size}: ${names(ensemble)}`);
      assert.ok(ensemble.hasQuorum());
    }
  });

  test('three become one when machines have left for good, but only after minutes', () => {
    const ensemble = createEnsemble(3, randomFrom(4));
    run(ensemble, 60, 'growth');
    const gone = node(ensemble, 2);
    ensemble.leaving.add(gone.id);
    run(ensemble, 20, 'leave');
    gone.left = true;
    gone.up = false;
    assert.equal(ensemble.voters().length, 2);
    run(ensemble, 300, 'wait');
    assert.equal(ensemble.voters().length, 2);
    run(ensemble, 600, 'shrink');
    assert.equal(ensemble.voters().length, 1);
  });

  test('a machine with another release of etcd does not vote', () => {
    const ensemble = createEnsemble(4, randomFrom(4));
    node(ensemble, 1).version = '3.4.23';
    run(ensemble, 90, 'growth');
    assert.deepEqual(names(ensemble), ['node0', 'node2', 'node3']);
  });
});

/** One more voter may lose its data now: a majority keeps it. */
function spares(ensemble: Ensemble): boolean {
  const voters = ensemble.voters();
  const whole = voters.filter(({ name }) => ensemble.nodes.find(({ id }) => id === name)?.hasData);
  return whole.length - 1 > voters.length / 2;
}
