// needs: cpu 0.8, memory 1.5 GiB
/**
 * A running cluster of five is cut in two, cut in one direction, has a link that flaps, and an agent that is
 * suspended; each time it is the machine with the Raft leader and the role. The others go on, and a watcher on each
 * machine shows that the role never has two holders; no acknowledged write is lost.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock } from '../../../build/host.ts';
import { type Checker, createChecker } from '../../cluster/checker.ts';
import { describeReport } from '../../cluster/checker-report.ts';
import { watchFencing } from '../../cluster/fencing.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import { holderOf, leadBy, leaderOf, roleIn } from '../../cluster/leadership.ts';
import type { NamespaceCluster } from '../../cluster/namespaces/cluster.ts';
import { cutOneWay } from '../../cluster/one-way.ts';
import { throughout } from '../../cluster/waits.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

const HEALED_MS = 90_000;

test('in a partition the majority goes on, and the minority stops its role before the others start it', async (t) => {
  await withCluster(t, { hosts: 5, seed: { key: newKey() } }, async (cluster) => {
    const { machines } = cluster;
    await formCluster(machines);
    const { checker, finish } = await watched(cluster);

    const holder = await leadingHolder(cluster);
    const client = await someClient(cluster);
    const minority = [holder, client];
    const majority = machines.filter((machine) => !minority.includes(machine));
    const cutMs = clock.monotonicMs();
    await cluster.partition([minority, majority]);
    await holderOf(majority);
    t.diagnostic(`2 | 3: role held by the majority after ${since(cutMs)}`);
    assert.ok(majority.includes(await leaderOf(machines, majority[0])));
    await checker.progress('the majority is written to', 60_000);
    const isLost = await holder.until('it knows that it has lost', lacksQuorum, 60_000);
    assert.notEqual(roleIn(isLost, 'page')?.here, 'holding');
    await client.until('it says what it waits for', lacksQuorum, 60_000);
    await cluster.heal();
    await healed('2 | 3');

    const deaf = await leadingHolder(cluster);
    const others = machines.filter((machine) => machine !== deaf);
    await cutOneWay(
      cluster,
      others.map((other) => [deaf, other]),
    );
    await holderOf(others);
    await checker.progress('those who hear each other are written to', 60_000);
    await cutOneWay(cluster, []);
    await healed('one who hears all and is heard by none');
    t.diagnostic(await finish());

    async function healed(what: string): Promise<void> {
      const startMs = clock.monotonicMs();
      await settled(machines, { deadlineMs: HEALED_MS });
      await holderOf(machines);
      t.diagnostic(`${what}: healed within ${since(startMs)}`);
    }
  });
});

test('voters that do not hear each other, a link that flaps and an agent that is suspended make no second holder', async (t) => {
  await withCluster(t, { hosts: 5, seed: { key: newKey() } }, async (cluster) => {
    const { machines } = cluster;
    await formCluster(machines);
    const { checker, finish } = await watched(cluster);

    // The third voter hears both.
    const leader = await leadingHolder(cluster);
    const [voter] = await otherVoters(cluster, leader);
    assert.ok(voter);
    await cutOneWay(cluster, [
      [leader, voter],
      [voter, leader],
    ]);
    for (let round = 0; round < 3; round++) {
      await checker.progress('writes go on while two voters do not hear each other', 60_000, 40);
    }
    await cutOneWay(cluster, []);
    await settled(machines, { deadlineMs: HEALED_MS });

    const flapping = await leadingHolder(cluster);
    for (const [downMs, upMs] of FLAPS) {
      await cluster.cutLink(flapping);
      await clock.pause(downMs);
      await cluster.restoreLink(flapping);
      await clock.pause(upMs);
    }
    const startMs = clock.monotonicMs();
    await settled(machines, { deadlineMs: HEALED_MS });
    t.diagnostic(`a link that flapped: healed within ${since(startMs)}`);

    const suspended = await holderOf(machines);
    const awake = machines.filter((machine) => machine !== suspended);
    assert.equal(await suspended.kill('node-agent', 'SIGSTOP'), 1);
    const next = await holderOf(awake);
    await throughout(
      `${next.name} holds the role`,
      async () => roleIn(await next.agentStatus(), 'page')?.here === 'holding',
      { forMs: 3_000 },
    );
    await suspended.kill('node-agent', 'SIGCONT');
    const woken = await suspended.until(
      'it knows the new holder',
      (status) => roleIn(status, 'page')?.holder === next.name,
      60_000,
    );
    assert.notEqual(roleIn(woken, 'page')?.here, 'holding');
    await settled(machines, { deadlineMs: HEALED_MS });
    t.diagnostic(await finish());
  });
});

/** Down and up, ms: shorter and longer than a Raft election, a beat of the role, and its lease. */
const FLAPS = [
  [300, 700],
  [1_500, 500],
  [2_500, 2_500],
  [4_000, 1_000],
  [7_500, 1_500],
  [11_000, 1_000],
] as const;

async function watched({ machines }: NamespaceCluster): Promise<{
  readonly checker: Checker;
  /** What both say, or their error. */
  readonly finish: () => Promise<string>;
}> {
  const checker = createChecker();
  await checker.write(machines);
  const fencing = await watchFencing(machines);
  return {
    checker,
    async finish() {
      const report = describeReport(await checker.finish(machines));
      const { handOvers, largestGapMs } = await fencing.finish();
      const apart = handOvers.map(({ from, to, apartMs }) => `${from} to ${to} ${apartMs.toFixed(0)} ms`);
      assert.ok(handOvers.length > 0, 'the role never moved');
      return `${report}; nobody had the role: ${apart.join(', ')}; looks at most ${largestGapMs.toFixed(0)} ms apart`;
    },
  };
}

/** The holder of the role, which then leads. */
async function leadingHolder({ machines }: NamespaceCluster) {
  const holder = await holderOf(machines);
  await leadBy(machines, holder);
  return holder;
}

async function someClient({ machines }: NamespaceCluster) {
  for (const machine of machines) {
    if ((await machine.agentStatus()).consensus?.place === 'client') return machine;
  }
  throw new Error('every machine votes');
}

async function otherVoters({ machines }: NamespaceCluster, one: NamespaceCluster['machines'][number]) {
  const seen = await Promise.all(
    machines.map(async (machine) => ({ machine, place: (await machine.agentStatus()).consensus?.place })),
  );
  return seen
    .filter(({ machine, place }) => machine !== one && place === 'voter')
    .map(({ machine }) => machine);
}

function lacksQuorum({ consensus }: { readonly consensus?: { readonly quorum: boolean } }): boolean {
  return consensus?.quorum === false;
}

function since(startMs: number): string {
  return `${((clock.monotonicMs() - startMs) / 1000).toFixed(1)} s`;
}
