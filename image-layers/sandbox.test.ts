import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_LAYERS } from './layers.ts';

/** The programs that the agent starts. */
const UNITS = ALL_LAYERS.flatMap(({ files }) => files).filter(({ path }) =>
  /\/clusteros-(serf|etcd|wireguard|role-[\w-]+)\.service$/.test(path),
);

const valuesOf = (text: string, setting: string): string[] =>
  [...text.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].flatMap(([, value = '']) =>
    value.split(' ').filter(Boolean),
  );

/** Folders of the agent that hold the cluster key, or take orders. */
const SECRET = ['/run/clusteros/seed', '/run/clusteros/agent.sock', '/var/lib/clusteros/cluster.key'];

test('no engine sees the seed, the cluster key or the socket of the agent', () => {
  assert.equal(UNITS.length, 4);
  for (const { path, text } of UNITS) {
    const hidden = valuesOf(text, 'TemporaryFileSystem').map((value) => value.replace(/:ro$/, ''));
    const shown = ['BindPaths', 'BindReadOnlyPaths'].flatMap((setting) => valuesOf(text, setting));
    for (const secret of SECRET) {
      assert.ok(
        hidden.some((folder) => secret.startsWith(`${folder}/`)),
        `${path}: ${secret}`,
      );
      assert.ok(!shown.some((place) => `${secret}/`.startsWith(`${place}/`)), `${path} shows ${secret}`);
    }
    assert.ok(valuesOf(text, 'InaccessiblePaths').includes('-/etc/clusteros'), path);
  }
});

test('every engine is a user of its own, without a way to systemd', () => {
  const users = UNITS.map(({ path, text }) => {
    const [user = ''] = valuesOf(text, 'User');
    const hidden = valuesOf(text, 'InaccessiblePaths');
    for (const place of ['-/run/dbus', '-/run/systemd/private']) assert.ok(hidden.includes(place), path);
    return valuesOf(text, 'DynamicUser')[0] === 'yes' ? path : user;
  });
  assert.equal(new Set(users).size, 4);
  const known = ALL_LAYERS.flatMap((layer) => layer.users ?? []);
  for (const user of users.filter((name) => !name.includes('/')))
    assert.ok(
      known.some(({ name }) => name === user),
      user,
    );
  assert.equal(new Set(known.map(({ id }) => id)).size, known.length);
  for (const { id } of known) assert.ok(id >= 870 && id <= 879, String(id));
});

test('Serf and etcd have no sockets of the machine, and no capability', () => {
  for (const name of ['serf', 'etcd']) {
    const text = UNITS.find(({ path }) => path.includes(`clusteros-${name}.`))?.text ?? '';
    assert.deepEqual(valuesOf(text, 'RestrictAddressFamilies'), ['AF_NETLINK', 'AF_INET', 'AF_INET6']);
    assert.deepEqual(valuesOf(text, 'CapabilityBoundingSet'), []);
    assert.deepEqual(valuesOf(text, 'AmbientCapabilities'), []);
  }
});

test('the status page is nobody, with one capability, and sees the leases and the socket that takes no orders', () => {
  const page = UNITS.find(({ path }) => path.includes('role-page'))?.text ?? '';
  assert.deepEqual(valuesOf(page, 'DynamicUser'), ['yes']);
  assert.deepEqual(valuesOf(page, 'CapabilityBoundingSet'), ['CAP_NET_BIND_SERVICE']);
  assert.deepEqual(valuesOf(page, 'BindPaths'), []);
  assert.deepEqual(valuesOf(page, 'BindReadOnlyPaths'), [
    '/run/clusteros/roles',
    '/run/clusteros/readonly/status.sock',
  ]);
  assert.match(page, /^BindsTo=node-agent\.service$/m);
});
