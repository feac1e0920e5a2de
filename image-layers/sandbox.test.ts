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
