// needs: images, cpu 3, memory 5 GiB
/** README's own `boot --nodes 3`, on a host that has other things to do: for ten minutes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askAllTheTime, keepBusy } from '../cluster/busy.ts';
import { formCluster, newKey, settled } from '../cluster/forming.ts';
import { withMachines } from '../cluster/qemu/with-machines.ts';
import { depth } from '../depth.ts';

const TEN_MINUTES_MS = 10 * 60_000;
const LONG_MS = 20 * 60_000;

test('three emulated machines without a setting keep one quorum for ten minutes beside a busy loop', {
  skip: depth('ten minutes of three emulated machines beside a busy loop', 25),
}, async (t) => {
  await withMachines(t, { machines: 3, seed: { key: newKey() } }, async ({ machines }) => {
    const before = await formCluster(machines, { deadlineMs: LONG_MS });
    const calm = keepBusy(1);
    t.after(calm);
    t.diagnostic(JSON.stringify(await askAllTheTime(machines, TEN_MINUTES_MS, 300_000)));
    calm();
    const after = await settled(machines, { deadlineMs: LONG_MS });
    assert.deepEqual(
      after.map(({ cluster, consensus, pid }) => [cluster.uuid, consensus?.voters, pid]),
      before.map(({ cluster, consensus, pid }) => [cluster.uuid, consensus?.voters, pid]),
    );
    for (const { timers } of after)
      t.diagnostic(`${timers?.step}, lease ${timers?.leaseSeconds} s: ${timers?.why}`);
  });
});
