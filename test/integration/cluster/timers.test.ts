// needs: cpu 0.4, memory 1.5 GiB
/** The pace of a running cluster changes by what an operator writes on one machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock } from '../../../build/host.ts';
import { createChecker } from '../../cluster/checker.ts';
import { describeReport } from '../../cluster/checker-report.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

test('settings of one voter make the cluster slower, one etcd after the other, and no write is lost', async (t) => {
  await withCluster(
    t,
    { hosts: 3, seed: { key: newKey(), nodeYaml: 'consensus: { expect: 3 }' } },
    async ({ machines }) => {
      await formCluster(machines);
      const checker = createChecker();
      await checker.write(machines);
      const [odd] = machines;
      assert.ok(odd);
      await odd.writeFile(odd.paths.config, 'consensus: { timers: slow }\n', 0o600);
      const startMs = clock.monotonicMs();
      await Promise.all(
        machines.map((machine) =>
          machine.until(
            'its etcd is slow',
            ({ timers, consensus }) => timers?.etcd === 'slow' && consensus?.quorum === true,
            400_000,
          ),
        ),
      );
      t.diagnostic(`slow everywhere after ${((clock.monotonicMs() - startMs) / 1_000).toFixed(0)} s`);
      const said = await odd.agentStatus();
      assert.equal(said.timers?.source, 'settings');
      await machines[1]?.until(
        'it is agreed on',
        ({ timers }) => timers?.source === 'cluster' && timers.step === 'slow',
        60_000,
      );
      await settled(machines);
      t.diagnostic(describeReport(await checker.finish(machines)));
    },
  );
});
