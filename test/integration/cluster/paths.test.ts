// needs: cpu 0.4, memory 0.8 GiB
/** Networks that are not as most are: IPv6 alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formCluster, newKey } from '../../cluster/forming.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

test('two machines on a LAN with IPv6 alone become one cluster', async (t) => {
  await withCluster(t, { hosts: 0, seed: { key: newKey() } }, async (cluster) => {
    for (const number of [1, 2]) {
      const machine = await cluster.add({ links: [{ network: 'lan' }] });
      await machine.must(['ip', 'address', 'add', `fd00:5::${number}/64`, 'dev', 'eth0', 'nodad']);
    }
    const [one] = await formCluster(cluster.machines, { deadlineMs: 300_000 });
    const others = (one?.members ?? []).filter(({ self }) => !self);
    assert.deepEqual(
      others.map(({ lanAddress }) => lanAddress),
      ['fd00:5::2'],
    );
  });
});
