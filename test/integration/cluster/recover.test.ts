// needs: cpu 0.4, memory 1.5 GiB
/**
 * Two of three voters are gone for good, and an operator begins again on the third: from a snapshot, or from its own
 * data. What was there is there, a new machine and one of the lost ones join, and the latter gives up its old data.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import { etcdctl } from '../../cluster/leadership.ts';
import type { Machine } from '../../cluster/machines.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

type Three = readonly [Machine, Machine, Machine];

for (const [way, words] of [
  ['from a snapshot', (file: string) => ['--from-snapshot', file]],
  ['from its own data', () => ['--force-new-cluster']],
] as const) {
  test(`the last of three voters makes a cluster again ${way}, and others join it`, async (t) => {
    await withCluster(t, { hosts: 3, seed: { key: newKey() } }, async (cluster) => {
      const [last, returning, lost] = cluster.machines as unknown as Three;
      const [{ cluster: old } = assert.fail()] = await formCluster(cluster.machines);
      const snapshot = `${last.paths.state}/by-hand.db`;
      await last.must(['node-agent', 'token', 'create']);
      await put(last, '/kept', 'yes');
      await last.must(etcdctl(last, ['snapshot', 'save', snapshot]));
      await put(last, '/later', 'yes');

      await lost.powerCut();
      await returning.powerCut();
      const alone = await last.until(
        'it tells of the lost quorum, and of the way out',
        ({ conditions }) => conditions.some(({ code }) => code === 'consensus.no-quorum'),
        120_000,
      );
      assert.match(alone.conditions.map(({ endedBy }) => endedBy).join(), /node-agent recover/);
      const order = ['node-agent', 'recover', ...words(snapshot), '--yes'];
      const said = await last.must(order, { timeoutMs: 200_000 });
      assert.match(said, /^Ended: 1 enrolment token;/m);
      const [now] = await settled([last], { voters: 1 });
      assert.equal((await last.must(['node-agent', 'token', 'list'])).trim(), 'no tokens');
      assert.notEqual(now?.cluster.uuid, old.uuid);
      assert.equal(await get(last, '/kept'), 'yes');
      assert.equal(await get(last, '/later'), way === 'from a snapshot' ? '' : 'yes');

      if (way === 'from a snapshot') {
        assert.match(said, /^Lost: \d+ writes after the snapshot[\s\S]*"\/later"/m);
        await last.until(
          'has another key',
          ({ cluster: { keyFingerprint } }) => keyFingerprint !== old.keyFingerprint,
          180_000,
        );
      }
      await returning.powerOn();
      if (way === 'from a snapshot') {
        // One node alone could be a thief's: an operator says that it is not.
        await returning.until(
          'waits for the new key',
          ({ conditions }) =>
            conditions.some(({ code, endedBy }) => code === 'key.replaced' && /--follow/.test(endedBy)),
          180_000,
        );
        await returning.must(['node-agent', 'recover', '--follow', last.name, '--yes']);
      }
      await settled([last, returning], { voters: 1 });
      // The key of the first seed may have been replaced.
      const key = (await last.must(['node-agent', 'key', 'show', '--yes'])).trim();
      const fresh = await cluster.add({ seed: { key } });
      const seen = await formCluster([last, returning, fresh]);
      assert.deepEqual(
        seen.map(({ cluster: { uuid } }) => uuid),
        seen.map(() => now?.cluster.uuid),
      );
      assert.equal(await get(returning, '/kept'), 'yes');
    });
  });
}

async function put(machine: Machine, key: string, value: string): Promise<void> {
  await machine.must(etcdctl(machine, ['put', key, value]));
}

/** Empty when there is none. */
async function get(machine: Machine, key: string): Promise<string> {
  return (await machine.must(etcdctl(machine, ['get', '--print-value-only', key]))).trim();
}
