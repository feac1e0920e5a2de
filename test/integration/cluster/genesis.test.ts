// needs: cpu 0.4, memory 1.5 GiB
/**
 * How a cluster begins when the machines do not all see each other: with an expected size only a majority begins,
 * without one two beginnings that meet are brought together, or kept apart where something could be lost.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock } from '../../../build/host.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import { etcdctl } from '../../cluster/leadership.ts';
import type { Machine } from '../../cluster/machines.ts';
import type { HostMachine } from '../../cluster/namespaces/machine.ts';
import { step } from '../../cluster/step.ts';
import { eventually, throughout } from '../../cluster/waits.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

const WAIT_MS = 120_000;
/** Longer than a node without an expected size waits for others. */
const NOTHING_BEGINS_MS = 20_000;

test('of six expected machines no three begin a cluster, and four do', async (t) => {
  const seed = { key: newKey(), nodeYaml: 'consensus:\n  expect: 6\n' };
  await withCluster(t, { hosts: 6, seed }, async (cluster) => {
    const machines = [...cluster.machines];
    const [left, right] = [machines.slice(0, 3), machines.slice(3)];

    await step(t, 'three of six wait, and say for what', async () => {
      await cluster.partition([left, right]);
      for (const machine of machines) await machine.startAgent();
      await Promise.all(machines.map((machine) => waitsFor(machine, 3)));
      await throughout('nobody begins', () => nobodyHasBegun(machines), {
        forMs: NOTHING_BEGINS_MS,
        everyMs: 500,
      });
      const text = await left[0]?.must(['node-agent', 'status']);
      assert.match(
        text ?? '',
        /^waiting +waiting for machines: 3 of 6 seen, 4 needed \(consensus\.waiting\)$/m,
      );
      assert.match(text ?? '', /^ +ended by +1 more of the 6 expected machines$/m);
      assert.match(text ?? '', /^ +seen: n2, n3, this node$/m);
    });

    await step(t, 'of more machines than are expected none begins, and each says what to do', async () => {
      for (const machine of left) await machine.setSeed({ ...seed, nodeYaml: 'consensus:\n  expect: 2\n' });
      const told = ({ conditions }: StatusDocument) =>
        conditions.find(({ code }) => code === 'consensus.expect-exceeded');
      for (const machine of left) {
        const status = await machine.until('is one too many', (now) => told(now) !== undefined, WAIT_MS);
        assert.match(
          told(status)?.summary ?? '',
          /^3 machines have this cluster key, but .*expect is 2: none/,
        );
        const others = left.filter((other) => other !== machine).map(({ name }) => name);
        assert.equal(told(status)?.evidence, `known: ${others.join(', ')}, this node`);
        assert.match(told(status)?.endedBy ?? '', /^set consensus\.expect to 3 or more on all of them/);
      }
      assert.ok(await nobodyHasBegun(left));
      for (const machine of left) await machine.setSeed(seed);
      await Promise.all(left.map((machine) => waitsFor(machine, 3)));
    });

    await step(t, 'healed they are one cluster', async (t) => {
      const startMs = clock.monotonicMs();
      await cluster.heal();
      const [first] = await settled(machines);
      t.diagnostic(`3 | 3: settled ${seconds(startMs)} after the healing`);
      assert.equal(first?.cluster.expect, 6);
    });

    await step(t, 'four of six begin, and the two join them later', async (t) => {
      for (const machine of machines) await empty(machine);
      const [four, two] = [machines.slice(0, 4), machines.slice(4)];
      await cluster.partition([four, two]);
      for (const machine of machines) await machine.startAgent();
      const begun = await settled(four);
      for (const machine of two) await waitsFor(machine, 2);
      assert.ok(await nobodyHasBegun(two));
      const startMs = clock.monotonicMs();
      await cluster.heal();
      const all = await settled(machines);
      t.diagnostic(`4 | 2: settled ${seconds(startMs)} after the healing`);
      assert.equal(all[0]?.cluster.uuid, begun[0]?.cluster.uuid);
    });
  });
});

test('two beginnings without an expected size become one, unless both hold data', async (t) => {
  await withCluster(t, { hosts: 2, seed: { key: newKey() } }, async (cluster) => {
    const [one, two] = [...cluster.machines] as [HostMachine, HostMachine];
    const both = [one, two];

    await step(t, 'of two without data the one of the higher id gives way', async () => {
      await cluster.partition([[one], [two]]);
      const [first, second] = await begunAlone(both);
      await cluster.heal();
      const [after] = await settled(both);
      const lower = (first.id ?? '') < (second.id ?? '') ? first : second;
      assert.equal(after?.cluster.uuid, lower.cluster.uuid);
      assert.equal(after?.cluster.founder, lower.id);
    });

    await step(t, 'of two of which one holds data the other gives way, whatever the ids', async () => {
      for (const machine of both) await empty(machine);
      await cluster.partition([[one], [two]]);
      const [first, second] = await begunAlone(both);
      const isFirst = (first.id ?? '') > (second.id ?? '');
      const [holder, held] = isFirst ? [one, first] : [two, second];
      await holder.must(etcdctl(holder, ['put', '/user/of', holder.name]));
      await cluster.heal();
      const [after] = await settled(both);
      assert.equal(after?.cluster.uuid, held.cluster.uuid);
      assert.equal(await dataOf(holder), `${holder.name}\n`);
    });

    await step(t, 'of two with data neither gives way, both say so, and an operator decides', async () => {
      for (const machine of both) await empty(machine);
      await cluster.partition([[one], [two]]);
      const [first] = await begunAlone(both);
      for (const machine of both) await machine.must(etcdctl(machine, ['put', '/user/of', machine.name]));
      await cluster.heal();
      const told = ({ conditions }: StatusDocument) =>
        conditions.some(({ code }) => code === 'consensus.two-clusters');
      for (const machine of both) {
        const { conditions } = await machine.until('sees two clusters', told, WAIT_MS);
        const condition = conditions.find(({ code }) => code === 'consensus.two-clusters');
        assert.match(condition?.summary ?? '', /2 clusters with one key; they are kept apart/);
        assert.match(condition?.endedBy ?? '', /node-agent reset --yes/);
        assert.equal(condition?.evidence?.split('\n').length, 2);
      }
      await throughout(
        'the data of both is there',
        async () => {
          for (const machine of both) {
            assert.equal(await dataOf(machine), `${machine.name}\n`);
            assert.ok(told(await machine.agentStatus()));
          }
        },
        { forMs: NOTHING_BEGINS_MS, everyMs: 2_000 },
      );

      await two.must(['node-agent', 'reset', '--yes'], { timeoutMs: 60_000 });
      const [after] = await settled(both);
      assert.equal(after?.cluster.uuid, first.cluster.uuid);
      assert.equal(await dataOf(one), 'n1\n');
    });
  });
});

test('without any beacon, NODE_BOOTSTRAP begins a cluster and NODE_JOIN finds it', async (t) => {
  await withCluster(t, { hosts: 0, seed: { key: newKey() } }, async (cluster) => {
    const linkOf = (n: number) => [{ network: 'lan', address: `10.99.0.${n}/16`, multicast: false }];
    const joining = await cluster.add({ links: linkOf(2), environment: { NODE_JOIN: '10.99.0.1' } });
    const chained = await cluster.add({
      links: linkOf(3),
      environment: { NODE_JOIN: 'first:7947 10.99.0.2' },
    });
    // Made before the others look: they would begin without it after a while.
    const first = await cluster.add({ links: linkOf(1), environment: { NODE_BOOTSTRAP: 'true' } });
    for (const machine of [first, joining, chained]) await deafen(machine);
    for (const machine of [joining, chained]) await machine.startAgent();
    for (const machine of [joining, chained]) {
      const status = await machine.until(
        'waits for whom it is to join',
        ({ conditions }) => conditions.some(({ code }) => code === 'consensus.waiting'),
        WAIT_MS,
      );
      assert.equal(status.cluster.uuid, undefined);
    }
    const all = await formCluster([first, joining, chained]);
    assert.equal(all[1]?.cluster.founder, all[0]?.id);
  });
});

/** What broadcasts and multicasts of a beacon come is lost. */
async function deafen(machine: Machine): Promise<void> {
  const rule = 'meta pkttype { broadcast, multicast } udp dport { 5353, 7947 } counter drop';
  await machine.must(['nft', '-f', '-'], {
    input: `table inet deaf { chain input { type filter hook prerouting priority -300; ${rule}; }; }\n`,
  });
}

/** As delivered: no state, nothing runs. */
async function empty(machine: HostMachine): Promise<void> {
  await machine.stopAgent();
  await machine.powerCut();
  await machine.wipe();
  await machine.powerOn();
}

async function begunAlone(machines: readonly Machine[]): Promise<[StatusDocument, StatusDocument]> {
  for (const machine of machines) await machine.startAgent();
  const [first, second] = await Promise.all(
    machines.map((machine) =>
      machine.until(
        'has begun a cluster of its own',
        ({ cluster, consensus }) => cluster.uuid !== undefined && consensus?.quorum === true,
        WAIT_MS,
      ),
    ),
  );
  assert.ok(first !== undefined && second !== undefined);
  assert.notEqual(first.cluster.uuid, second.cluster.uuid);
  for (const { cluster } of [first, second]) assert.equal(cluster.confirmed, false);
  return [first, second];
}

async function waitsFor(machine: Machine, seen: number): Promise<void> {
  await eventually(
    `${machine.name} waits for more than ${seen}`,
    async () => {
      const { conditions } = await machine.agentStatus();
      const waiting = conditions.find(({ code }) => code === 'consensus.waiting');
      assert.equal(waiting?.summary, `waiting for machines: ${seen} of 6 seen, 4 needed`);
      return true;
    },
    { deadlineMs: WAIT_MS },
  );
}

async function nobodyHasBegun(machines: readonly Machine[]): Promise<boolean> {
  const all = await Promise.all(machines.map((machine) => machine.agentStatus()));
  for (const { name, cluster } of all) assert.equal(cluster.uuid, undefined, `${name} is in a cluster`);
  return true;
}

/** etcd may be started again at any moment, when the timers change. */
function dataOf(machine: Machine): Promise<string> {
  const get = etcdctl(machine, ['get', '--print-value-only', '/user/of']);
  return eventually(`${machine.name} reads`, () => machine.must(get), { deadlineMs: WAIT_MS });
}

function seconds(sinceMs: number): string {
  return `${((clock.monotonicMs() - sinceMs) / 1000).toFixed(1)} s`;
}
