import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocument } from './document.ts';
import { readEnvironment } from './environment.ts';
import { nodeName } from './name.ts';
import { describeProblem } from './problems.ts';
import { resolveSettings } from './resolve.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

test('without any source the defaults of the design hold', () => {
  assert.deepEqual(resolveSettings([]).settings, DEFAULT_SETTINGS);
  assert.equal(DEFAULT_SETTINGS.gossip.port, 7946);
  assert.equal(DEFAULT_SETTINGS.mesh.range, '10.42.0.0/16');
});

test('the environment wins over the seed, the seed over /etc, setting by setting', () => {
  const { settings } = resolveSettings([
    readDocument(
      '/etc',
      'name: from-etc\nmesh: {port: 1001}\ngossip: {port: 2001}\nconsensus: {expect: 3}\n',
    ),
    readDocument('seed', 'name: from-seed\nmesh: {port: 1002}\n'),
    readEnvironment({ CLUSTEROS_NAME: 'from-env' }),
  ]);
  assert.equal(settings?.name, 'from-env');
  assert.equal(settings?.mesh.port, 1002);
  assert.equal(settings?.gossip.port, 2001);
  assert.equal(settings?.consensus.expect, 3);
});

test('every alias sets what it is an alias of, and CLUSTEROS_ names win', () => {
  const { raw, problems } = readEnvironment({
    NODE_NAME: 'n1',
    NODE_BOOTSTRAP: 'yes',
    NODE_JOIN: 'a.example, b.example:7946 [fd00::1]:7946',
    SERF_BIND_PORT: '7000',
    RAFT_BIND_PORT: '7001',
    WIREGUARD_PORT: '7002',
    CLUSTEROS_MESH_PORT: '7003',
    CLUSTEROS_STATE_DIR: '/x',
    CLUSTER_AUTH_KEY: 'key',
    CLUSTEROS_LOG_LEVEL: '',
    PATH: '/bin',
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(raw, {
    name: 'n1',
    consensus: { bootstrap: true, peer_port: 7001 },
    discovery: { join: ['a.example', 'b.example:7946', '[fd00::1]:7946'] },
    gossip: { port: 7000 },
    mesh: { port: 7003 },
  });
});

test('mistakes of the environment name the variable and the nearest one', () => {
  const { problems } = readEnvironment({
    CLUSTEROS_MESH_PROT: '1',
    SERF_BIND_PORT: '99999',
    NODE_NAME: 'UPPER',
  });
  assert.deepEqual(problems.map(describeProblem), [
    'environment: CLUSTEROS_MESH_PROT: unknown variable; did you mean CLUSTEROS_MESH_PORT?',
    'environment: NODE_NAME: expected lower-case letters, digits and inner hyphens, at most 63',
    'environment: SERF_BIND_PORT: expected 65535 or less',
  ]);
});

test('mistakes of all sources are told together, and a conflict at the place that made it', () => {
  const both = resolveSettings([readDocument('/etc', 'nmae: x\n'), readEnvironment({ CLUSTEROS_X: '1' })]);
  assert.equal(both.problems?.length, 2);
  const conflict = resolveSettings([readDocument('/etc', 'name: x\nconsensus:\n  peer_port: 7946\n')]);
  assert.deepEqual(conflict.problems?.map(describeProblem), [
    '/etc:3:3: consensus.peer_port: expected another port: 7946 belongs to gossip.port',
  ]);
});

test('only private ranges with their network address make a mesh', () => {
  const ok = (range: string) => readDocument('f', `mesh: {range: ${range}}`).problems.length === 0;
  for (const range of ['10.42.0.0/16', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'])
    assert.ok(ok(range), range);
  for (const range of [
    '10.42.0.1/16',
    '8.8.0.0/16',
    '172.0.0.0/8',
    '10.0.0.0/33',
    '10.0.0.0/28',
    '300.1.0.0/16',
    'x',
  ]) {
    assert.ok(!ok(range), range);
  }
});

test('a node is named by its setting, else its host name, else its identity', () => {
  assert.equal(nodeName('set', 'host', 'abcdef0'), 'set');
  assert.equal(nodeName(undefined, 'Host.example.org', 'abcdef0'), 'host');
  assert.equal(nodeName(undefined, 'localhost', 'abcdef0'), 'node-abcdef');
  assert.equal(nodeName(undefined, 'clusteros', 'abcdef0'), 'node-abcdef');
  assert.equal(nodeName(undefined, '_!', undefined), 'node');
});
