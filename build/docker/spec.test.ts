import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { networkArgv, runArgv } from './argv.ts';
import { composeText } from './compose.ts';
import { addressOf, nodesOf, type QuickCluster } from './spec.ts';

const CLUSTER: QuickCluster = {
  name: 'lab',
  image: 'clusteros:1.2.3',
  nodes: 3,
  subnet: '10.90.0.0/16',
  seed: '/state/seed',
  environment: { CLUSTEROS_LOG_LEVEL: 'debug', WIREGUARD_PORT: '5$' },
};

test('node1 is .10, the others follow, and all but node1 ask it to let them in', () => {
  const nodes = nodesOf(CLUSTER);
  assert.deepEqual(
    nodes.map(({ name, container, address }) => [name, container, address]),
    [
      ['node1', 'lab-node1', '10.90.0.10'],
      ['node2', 'lab-node2', '10.90.0.11'],
      ['node3', 'lab-node3', '10.90.0.12'],
    ],
  );
  assert.equal(nodes[0]?.environment.NODE_JOIN, undefined);
  assert.equal(nodes[2]?.environment.NODE_JOIN, '10.90.0.10');
  assert.equal(nodes[2]?.environment.NODE_NAME, 'node3');
});

test('addresses carry over into the next byte, and a range that is none is told', () => {
  assert.equal(addressOf('10.90.0.0/16', 50), '10.90.0.59');
  assert.equal(addressOf('192.168.7.128/25', 1), '192.168.7.138');
  for (const subnet of [
    '',
    '10.90.0.0',
    '10.90.0.0/30',
    '10.90.0.1/16',
    '10.900.0.0/16',
    '10.0.0.0/4',
    'x/16',
  ]) {
    assert.throws(() => addressOf(subnet, 1), { code: 'flag.invalid' }, subnet);
  }
});

test('a container has what it needs and no more: never --privileged, nothing of the machine but the seed', () => {
  const [node] = nodesOf(CLUSTER);
  assert.ok(node);
  const argv = runArgv(CLUSTER, node);
  const line = argv.join(' ');
  assert.doesNotMatch(line, /privileged|--pid|--ipc|--net(work)? host|seccomp=unconfined|sys\/fs\/cgroup/);
  assert.match(line, /--cap-drop ALL /);
  assert.match(line, /--cgroupns private /);
  const volumes = argv.filter((_, index) => argv[index - 1] === '--volume');
  assert.deepEqual(volumes, ['/state/seed:/run/clusteros/seed:ro', 'lab-node1:/var/lib/clusteros']);
  assert.equal(argv.at(-1), 'clusteros:1.2.3');
});

test('the key is in no argument', () => {
  const words = nodesOf(CLUSTER).flatMap((node) => runArgv(CLUSTER, node));
  assert.deepEqual(
    words.filter((word) => /CLUSTER_AUTH_KEY|CLUSTER_KEY/.test(word)),
    [],
  );
});

test('the compose file says the same as the command lines', () => {
  const text = composeText(CLUSTER);
  assert.match(text, /^(#.*\n)*# Needs Docker Compose 2 .*1\.x refuses/);
  const { name, services, networks } = parse(text);
  assert.equal(name, 'lab');
  for (const node of nodesOf(CLUSTER)) {
    const service = services[node.name];
    const argv = runArgv(CLUSTER, node);
    const after = (flag: string) => argv.filter((_, index) => argv[index - 1] === flag);
    assert.deepEqual(service.cap_add, after('--cap-add'));
    assert.deepEqual(service.cap_drop, after('--cap-drop'));
    assert.deepEqual(service.devices, after('--device'));
    assert.deepEqual(service.tmpfs, after('--tmpfs'));
    assert.deepEqual(service.volumes, after('--volume'));
    assert.deepEqual([service.networks.mesh.ipv4_address], after('--ip'));
    assert.deepEqual([service.hostname], after('--hostname'));
    assert.equal(service.image, argv.at(-1));
    assert.equal(service.environment.WIREGUARD_PORT, '5$$');
  }
  assert.equal(networks.mesh.ipam.config[0].subnet, '10.90.0.0/16');
  assert.ok(networkArgv(CLUSTER).includes(networks.mesh.name));
});
