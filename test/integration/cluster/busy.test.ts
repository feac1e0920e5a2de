// needs: cpu 2, memory 1.5 GiB
/** Three machines on processors that others use as well: timers follow, and nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askAllTheTime, keepBusy, tenPerCore } from '../../cluster/busy.ts';
import { createChecker } from '../../cluster/checker.ts';
import { describeReport } from '../../cluster/checker-report.ts';
import { watchFencing } from '../../cluster/fencing.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import { withCluster } from '../../cluster/with-cluster.ts';
import { depth } from '../../depth.ts';

const BUSY_MS = 90_000;

test('beside ten busy programs for each processor three machines keep one quorum, and each answers status', {
  skip: depth('three machines beside ten busy programs for each processor', 6),
}, async (t) => {
  await withCluster(
    t,
    { hosts: 3, seed: { key: newKey(), nodeYaml: 'consensus: { expect: 3 }' } },
    async ({ machines }) => {
      const before = await formCluster(machines);
      const checker = createChecker();
      await checker.write(machines);
      const fencing = await watchFencing(machines);
      const calm = keepBusy(tenPerCore());
      t.after(calm);
      const busy = await askAllTheTime(machines, BUSY_MS, 120_000);
      t.diagnostic(JSON.stringify(busy));
      await checker.progress('writes go on while the machines are busy', 120_000);
      const timers = await Promise.all(
        machines.map((machine) => machine.agentStatus().then((it) => it.timers)),
      );
      for (const it of timers)
        t.diagnostic(
          `${it?.step} (${it?.source}), etcd ${it?.etcd}, lease ${it?.leaseSeconds} s: ${it?.why}`,
        );
      calm();
      const after = await settled(machines);
      assert.deepEqual(
        after.map(({ cluster, consensus }) => [cluster.uuid, consensus?.voters]),
        before.map(({ cluster, consensus }) => [cluster.uuid, consensus?.voters]),
      );
      assert.deepEqual(
        after.map(({ pid }) => pid),
        before.map(({ pid }) => pid),
        'no agent was killed',
      );
      t.diagnostic(describeReport(await checker.finish(machines)));
      await fencing.finish();
    },
  );
});
