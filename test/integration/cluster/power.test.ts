// needs: cpu 0.8, memory 1.5 GiB
/**
 * All machines lose their power at once and return: the same cluster with the same ids, addresses and data. Then
 * they are rebooted one by one while writes go on: no acknowledged write is lost, and the writes never stop for long.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock } from '../../../build/host.ts';
import { createChecker } from '../../cluster/checker.ts';
import { describeReport } from '../../cluster/checker-report.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import type { Machine } from '../../cluster/machines.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

test('five machines are the same cluster after a power loss of all, and after a reboot of one after the other', async (t) => {
  await withCluster(t, { hosts: 5, seed: { key: newKey() } }, async ({ machines }) => {
    const before = (await formCluster(machines)).map(whatStays);
    const checker = createChecker();
    await checker.write(machines);
    await checker.progress('the cluster is written to', 30_000);

    await Promise.all(machines.map((machine) => machine.powerCut()));
    const startMs = clock.monotonicMs();
    await Promise.all(machines.map((machine) => machine.powerOn()));
    const after = await settled(machines);
    t.diagnostic(`whole again ${seconds(startMs)} after the power came back`);
    assert.deepEqual(after.map(whatStays), before);

    await checker.write(machines);
    for (const machine of machines) {
      await machine.powerCut();
      await missed(machines, machine);
      await checker.progress(`writes go on without ${machine.name}`, 60_000);
      await machine.powerOn();
      const rebootMs = clock.monotonicMs();
      await settled(machines);
      await checker.write(machines);
      t.diagnostic(`${machine.name} whole again ${seconds(rebootMs)} after its start`);
    }
    assert.deepEqual((await settled(machines)).map(whatStays), before);
    t.diagnostic(describeReport(await checker.finish(machines)));
  });
});

/** As long as it takes to notice: a reboot is longer. */
async function missed(machines: readonly Machine[], gone: Machine): Promise<void> {
  for (const machine of machines.filter(({ on }) => on)) {
    const isFailed = ({ members = [] }: StatusDocument) =>
      members.find(({ name }) => name === gone.name)?.status === 'failed';
    await machine.until(`${gone.name} has failed`, isFailed, 60_000);
  }
}

function whatStays({ id, name, cluster, mesh, consensus }: StatusDocument) {
  return {
    id,
    name,
    uuid: cluster.uuid,
    founder: cluster.founder,
    address: mesh?.address,
    voters: [...(consensus?.voters ?? [])].sort(),
  };
}

function seconds(sinceMs: number): string {
  return `${((clock.monotonicMs() - sinceMs) / 1000).toFixed(1)} s`;
}
