// needs: cpu 0.4
import * as assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { createEtcdClient } from './etcd/client.ts';
import { tlsFromFiles } from './etcd/tls-files.ts';
import { latestSnapshot, takeSnapshot } from './snapshots.ts';
import { startNodes, type TestNode } from './testing/nodes.ts';

const place = (node: TestNode) => node.consensus?.place;
const votersOf = (node: TestNode | undefined) => node?.consensus?.voters ?? [];
const clientOf = (node: TestNode) =>
  createEtcdClient({
    endpoints: () => node.consensus?.endpoints ?? [],
    tls: tlsFromFiles(() => node.consensus?.tls),
  });

test('three nodes with real etcd grow to three voters, replace one that lost its data, and let one leave', async (t) => {
  const cluster = await startNodes(t, 3, { expect: 3 });
  const { nodes } = cluster;
  const started = performance.now();
  await cluster.until('three voters', () =>
    nodes.every((node) => place(node) === 'voter' && votersOf(node).length === 3 && node.consensus?.quorum),
  );
  t.diagnostic(`three voters after ${Math.round(performance.now() - started)} ms`);
  assert.equal(new Set(nodes.map((node) => node.consensus?.genesis?.uuid)).size, 1);
  assert.ok(nodes.every((node) => node.consensus?.confirmed));

  const victim = nodes.find((node) => node.identity.id !== node.consensus?.leader);
  const witness = nodes.find((node) => node !== victim);
  assert.ok(victim && witness);
  const client = clientOf(witness);
  t.after(() => client.close());
  await client.put('/test/kept', 'yes');
  await cluster.kill(victim);
  rmSync(path.join(victim.sandbox.paths.state, 'etcd'), { recursive: true });
  cluster.revive(victim);
  await cluster.until('the victim says that it lost its data and is a voter again', () =>
    victim.log.some((line) => line.includes('FAILED'))
      ? Promise.reject(new Error(victim.log.at(-1)))
      : // Twice when they grew, once more now: what the nodes see of it comes a moment later.
        nodes.flatMap(({ log }) => log.filter((line) => line.includes('made a learner a voter'))).length ===
          3 &&
        nodes.every(
          (node) => place(node) === 'voter' && votersOf(node).length === 3 && node.consensus?.quorum,
        ),
  );
  assert.equal((await clientOf(victim).range('/test/kept')).kvs[0]?.value, 'yes');

  const leader = nodes.find((node) => node.identity.id === node.consensus?.leader);
  assert.ok(leader);
  await leader.part.leave();
  const others = nodes.filter((node) => node !== leader);
  await cluster.until('two voters without the one that left', () =>
    others.every((node) => votersOf(node).length === 2 && !votersOf(node).includes(leader.identity.id)),
  );
  assert.equal((await clientOf(others[0] ?? victim).range('/test/kept')).kvs[0]?.value, 'yes');
});

test('a lost majority comes back from a snapshot, and the node of the old cluster follows', async (t) => {
  const cluster = await startNodes(t, 3);
  const [first, second, third] = cluster.nodes;
  assert.ok(first && second && third);
  await cluster.until('three voters', () =>
    cluster.nodes.every((node) => place(node) === 'voter' && votersOf(node).length === 3),
  );
  const client = clientOf(first);
  await client.put('/test/kept', 'yes');
  await takeSnapshot(
    client,
    first.consensus?.endpoints[0] ?? '',
    first.sandbox.paths.state,
    AbortSignal.timeout(20_000),
  );
  await client.close();
  assert.ok(await latestSnapshot(first.sandbox.paths.state));
  const old = first.consensus?.genesis?.uuid;
  await cluster.kill(second);
  await cluster.kill(third);
  await cluster.until('no quorum', () => first.conditions.some(({ code }) => code === 'consensus.no-quorum'));
  const fails = async () => {
    throw new Error('no room');
  };
  await assert.rejects(first.part.recoverFromSnapshot(undefined, fails), /no room/);
  await assert.rejects(first.part.forceNewCluster(fails), /no room/);
  cluster.revive(third);
  await cluster.until(
    'a recovery that failed has changed nothing: with another voter there is a quorum again',
    () => first.consensus?.quorum === true && votersOf(first).length > 1,
  );
  assert.equal(first.consensus?.genesis?.uuid, old);
  await cluster.kill(third);
  await cluster.until('no quorum', () => first.conditions.some(({ code }) => code === 'consensus.no-quorum'));
  await first.part.recoverFromSnapshot(undefined);
  await cluster.until(
    'a cluster of one',
    () => votersOf(first).length === 1 && first.consensus?.quorum === true,
  );
  assert.notEqual(first.consensus?.genesis?.uuid, old);
  cluster.revive(second);
  await cluster.until(
    'the second is a client of the new cluster',
    () =>
      second.consensus?.genesis?.uuid === first.consensus?.genesis?.uuid &&
      place(second) === 'client' &&
      second.consensus?.quorum === true,
  );
  const again = clientOf(second);
  t.after(() => again.close());
  assert.equal((await again.range('/test/kept')).kvs[0]?.value, 'yes');
});

test('of two nodes one keeps a copy, and begins again from it when the voter is gone for good', async (t) => {
  const cluster = await startNodes(t, 2);
  const [one, two] = cluster.nodes;
  assert.ok(one && two);
  await cluster.until('a voter and a learner', () =>
    cluster.nodes.every(({ consensus }) => consensus?.voters.length === 1 && consensus.learners.length === 1),
  );
  const [voter, copy] = place(one) === 'voter' ? [one, two] : [two, one];
  const client = clientOf(voter);
  await client.put('/test/kept', 'yes');
  // The copy takes its own snapshots of the voter, since a learner serves none.
  const taken = await copy.part.takeSnapshot();
  assert.deepEqual(await copy.part.listSnapshots(), [taken]);
  await client.put('/test/newest', 'too');
  await client.close();
  await cluster.until(
    'the copy is calm',
    () => copy.conditions.length === 0 && copy.consensus?.quorum === true,
  );
  const before = copy.consensus?.genesis?.uuid;
  await cluster.kill(voter);
  await cluster.until('no quorum, and what to do', () =>
    copy.conditions.some(({ code, endedBy }) => code === 'consensus.no-quorum' && /has a copy/.test(endedBy)),
  );
  await copy.part.forceNewCluster();
  await cluster.until(
    'a new genesis',
    () => copy.consensus?.genesis?.uuid !== before && copy.consensus?.quorum === true,
  );
  const again = clientOf(copy);
  t.after(() => again.close());
  assert.equal((await again.range('/test/kept')).kvs[0]?.value, 'yes');
  assert.equal((await again.range('/test/newest')).kvs[0]?.value, 'too');
});

test('one node alone recovers by force from its own data', async (t) => {
  const cluster = await startNodes(t, 1);
  const [node] = cluster.nodes;
  assert.ok(node);
  await cluster.until('a cluster', () => place(node) === 'voter' && node.consensus?.quorum === true);
  const client = clientOf(node);
  t.after(() => client.close());
  await client.put('/test/kept', 'yes');
  const before = node.consensus?.genesis?.uuid;
  await node.part.forceNewCluster();
  await cluster.until(
    'a new genesis',
    () => node.consensus?.genesis?.uuid !== before && node.consensus?.quorum === true,
  );
  assert.equal((await client.range('/test/kept')).kvs[0]?.value, 'yes');
});
