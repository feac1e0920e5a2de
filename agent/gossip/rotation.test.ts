import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterSubkey } from '../identity/keys.ts';
import { installEverywhere, isUnanimous, planRotation, removeEverywhere, useEverywhere } from './keys.ts';
import { freePort, startNode, until } from './testing/node.ts';

test('the gossip key of a running cluster is replaced without a member being lost', async (t) => {
  const port = await freePort('127.0.0.1');
  const clusterKey = Buffer.alloc(32, 7);
  const first = clusterSubkey(clusterKey, 'gossip');
  const second = Buffer.alloc(32, 9);
  let keyring = { keys: [first], rotating: false };
  const nodes = [
    await startNode(t, { address: '127.0.0.2', port, key: clusterKey, keyring: () => keyring }),
    await startNode(t, { address: '127.0.0.3', port, key: clusterKey, keyring: () => keyring }),
  ] as const;
  const [a, b] = nodes;
  b.know(a);
  for (const node of nodes) node.startAgent();
  const alive = () =>
    nodes.map((node) => node.gossip()?.members.filter(({ status }) => status === 'alive').length);
  await until('both are members', () => alive().every((count) => count === 2), alive);

  keyring = { ...keyring, rotating: true };
  const [oldKey, newKey] = [first.toString('base64'), second.toString('base64')];
  const steps: string[] = [];
  let usedEverywhere = false;
  await a.service.withSerf(async (serf) => {
    for (let round = 0; round < 5; round += 1) {
      const plan = planRotation({ keys: await serf.listKeys(), oldKey, newKey, alive: 2, usedEverywhere });
      steps.push(plan.step);
      if (plan.step === 'install') await installEverywhere(serf, newKey);
      if (plan.step === 'use') {
        await useEverywhere(serf, newKey);
        usedEverywhere = true;
      }
      if (plan.step === 'remove') await removeEverywhere(serf, oldKey);
      if (plan.step === 'done') break;
    }
    assert.ok(isUnanimous(await serf.listKeys(), newKey));
  });
  assert.deepEqual(steps, ['install', 'use', 'remove', 'done']);
  keyring = { keys: [second], rotating: false };
  // Their Serfs have the keys that are wanted now: none is started again.
  for (const node of nodes) {
    await node.stopAgent();
    node.startAgent();
  }
  await until('both are members still', () => alive().every((count) => count === 2), alive);
  for (const node of nodes) {
    assert.equal(node.log.filter((line) => /serf started/.test(line)).length, 1);
    assert.deepEqual(node.conditions(), []);
  }
});
