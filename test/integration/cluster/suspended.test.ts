// needs: cpu 0.8, memory 1.5 GiB
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withCluster } from '../../cluster/with-cluster.ts';

test('an agent that was suspended goes on, and one that is suspended goes with the power', async (t) => {
  await withCluster(t, { hosts: 2 }, async ({ machines }) => {
    for (const machine of machines) {
      await machine.startAgent();
      await machine.until('it answers', () => true, 30_000);
      assert.equal(await machine.kill('node-agent', 'SIGSTOP'), 1);
    }
    const [one] = machines;
    await one?.kill('node-agent', 'SIGCONT');
    await one?.until('it goes on', () => true, 30_000);
    await one?.kill('node-agent', 'SIGSTOP');
    await one?.powerCut();
    await one?.powerOn();
    await one?.until('it answers again', () => true, 30_000);
  });
});
