import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCluster, NOTHING_SEEN } from './cluster-look.ts';
import { createEtcdClient } from './etcd/client.ts';

test('a fault of ours is not taken for a cluster that does not answer', async (t) => {
  const look = (fault?: Error) => {
    const endpoints = () => {
      if (fault !== undefined) throw fault;
      return [];
    };
    const client = createEtcdClient({ endpoints, tls: () => undefined });
    t.after(() => client.close());
    return lookAtCluster(client, undefined, [], NOTHING_SEEN);
  };
  assert.deepEqual((await look()).members, undefined);
  await assert.rejects(look(new TypeError('not a function')), TypeError);
});
