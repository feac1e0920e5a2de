// needs: cpu 0.4
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import type { Units } from '../engine/units.ts';
import { clock } from '../host.ts';
import { DEAF_MS } from './supervise.ts';
import { freePort, startNode, type TestNode, type TestNodeOptions, until } from './testing/node.ts';

const KEY = Buffer.alloc(32, 7);

async function several(t: import('node:test').TestContext, ...options: Partial<TestNodeOptions>[]) {
  const port = await freePort('127.0.0.1');
  const nodes: TestNode[] = [];
  for (const [index, more] of options.entries()) {
    nodes.push(await startNode(t, { address: `127.0.0.${index + 2}`, port, key: KEY, ...more }));
  }
  for (const node of nodes) node.startAgent();
  return nodes as [TestNode, TestNode, TestNode];
}

const statusAt = (node: TestNode, of: TestNode) =>
  node.gossip()?.members.find(({ id }) => id === of.id)?.status;
const seen = (...nodes: TestNode[]) =>
  nodes.map((node) => ({ gossip: node.gossip(), log: node.log.slice(-8) }));
const together = (...nodes: TestNode[]) =>
  until(
    'all see each other alive',
    () => nodes.every((node) => nodes.every((other) => statusAt(node, other) === 'alive')),
    () => seen(...nodes),
  );

test('two nodes that know each other by cards become members, and tags follow the card', async (t) => {
  const [a, b] = await several(t, {}, {});
  b.know(a);
  await together(a, b);
  assert.deepEqual(a.gossip()?.advertise, '127.0.0.2');
  a.store.set('ownCard', { body: Buffer.from('{}').toString('base64'), signature: '', mac: '' });
  const tags = () => b.gossip()?.members.find(({ id }) => id === a.id)?.tags;
  await until('the tag is there', () => tags()?.card === '44136fa355b3678a', tags);
  assert.equal(tags()?.peer, '7947');
  const modes = { 'agent.json': 0o640, 'rpc-secret': 0o600, env: 0o600, 'keyring.json': 0o660 };
  for (const [file, mode] of Object.entries(modes)) {
    assert.equal(statSync(path.join(a.run, 'serf', file)).mode & 0o777, mode, file);
  }
  assert.equal(statSync(path.join(a.run, 'serf')).mode & 0o777, 0o700, 'where no image made it for a group');
});

test('a killed Serf is seen as failed when it cannot come back, and rejoins from its snapshot', async (t) => {
  const [a, b] = await several(t, {}, {});
  b.know(a);
  await together(a, b);
  await b.stopAgent();
  const { pid } = await b.units.observe('serf');
  assert.ok(pid);
  process.kill(pid, 'SIGKILL');
  await until(
    'a sees b fail',
    () => statusAt(a, b) === 'failed',
    () => seen(a),
  );
  // Nobody tells b of a any more: only its snapshot can.
  b.store.set('cards', []);
  b.startAgent();
  await together(a, b);
});

test('a killed Serf is started again by its agent at once', async (t) => {
  const [a, b] = await several(t, {}, {});
  b.know(a);
  await together(a, b);
  const { pid } = await b.units.observe('serf');
  assert.ok(pid);
  process.kill(pid, 'SIGKILL');
  await until(
    'b is back',
    () => b.log.filter((line) => /serf started/.test(line)).length === 2,
    () => seen(b),
  );
  await together(a, b);
  // The pass logs the start before it returns its conditions.
  await until(
    'its conditions are cleared',
    () => b.conditions().length === 0,
    () => b.conditions(),
  );
});

test('the time that a start takes counts as no silence of the Serf that was started', async (t) => {
  let lateMs = 0;
  const units = (usual: Units): Units => ({
    ...usual,
    start: async (spec) => {
      await usual.start(spec);
      lateMs += 2 * DEAF_MS;
    },
  });
  const [a] = await several(t, { units, now: () => clock.monotonicMs() + lateMs });
  await until(
    'it answers',
    () => a.gossip()?.running === true,
    () => seen(a),
  );
  assert.deepEqual(
    a.log.filter((line) => /restarted|has not answered/.test(line)),
    [],
  );
});

test('an agent that starts again takes over the Serf that runs', async (t) => {
  const [a, b] = await several(t, {}, {});
  b.know(a);
  await together(a, b);
  const before = await b.units.observe('serf');
  await b.stopAgent();
  b.store.set('gossip', { running: false, members: [] });
  b.startAgent();
  await together(a, b);
  const after = await b.units.observe('serf');
  assert.equal(after.pid, before.pid);
  assert.equal(b.log.filter((line) => /serf started/.test(line)).length, 1);
});

test('a Serf that runs but does not answer is replaced', { timeout: 120_000 }, async (t) => {
  const [a] = await several(t, {});
  await until(
    'a runs',
    () => a.gossip()?.running === true,
    () => seen(a),
  );
  const { pid } = await a.units.observe('serf');
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  await until(
    'it is said',
    () => a.conditions()[0]?.code === 'gossip.deaf',
    () => a.conditions(),
  );
  await until(
    'a new one answers',
    () => a.gossip()?.running === true,
    () => seen(a),
    60_000,
  );
  assert.notEqual((await a.units.observe('serf')).pid, pid);
  assert.deepEqual(a.conditions(), []);
});

test('a node with another address is taken in again at once, since it says good-bye first', async (t) => {
  const [a, b] = await several(t, {}, {});
  b.know(a);
  await together(a, b);
  const began = performance.now();
  // The address of loopback is there all the time, as on a card with two addresses.
  b.move('127.0.0.13');
  const address = () => a.gossip()?.members.find(({ id }) => id === b.id);
  await until(
    'a sees b elsewhere',
    () => address()?.address === '127.0.0.13' && address()?.status === 'alive',
    () => seen(a, b),
  );
  assert.ok(performance.now() - began < 25_000, 'without a good-bye it takes 30 s and more');
});

test('a node that leaves is seen as left, and one that is evicted is forgotten', async (t) => {
  const [a, b] = await several(t, {}, {});
  b.know(a);
  await together(a, b);
  await b.service.leave();
  await until(
    'a sees b leave',
    () => statusAt(a, b) === 'left',
    () => seen(a),
  );
  assert.notEqual((await b.units.observe('serf')).state, 'running');
  await a.service.evict(b.id);
  await until(
    'a has forgotten b',
    () => statusAt(a, b) === undefined,
    () => seen(a),
  );
});

test('one that is evicted while it still gossips is forgotten when it falls silent, and taken back when it is readmitted', async (t) => {
  const evicted = new Set<string>();
  const [a, b] = await several(t, { refused: () => evicted }, {});
  b.know(a);
  await together(a, b);
  evicted.add(b.id);
  await assert.rejects(a.service.evict(b.id), { code: 'gossip.alive' });
  await b.stopAgent();
  await b.units.stop('serf', 2_000);
  await until(
    'a has forgotten b',
    () => statusAt(a, b) === undefined,
    () => seen(a),
  );
  evicted.delete(b.id);
  b.startAgent();
  await together(a, b);
});
