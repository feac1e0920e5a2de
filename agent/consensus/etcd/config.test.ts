import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memberArgv, memberConfig } from './config.ts';

const wish = {
  nodeId: 'b',
  dataFolder: '/var/lib/clusteros/etcd',
  meshAddress: '10.42.3.4',
  peerPort: 7373,
  clientPort: 7374,
  tls: { ca: '/c/ca.pem', certificate: '/c/node.pem', key: '/c/node.key' },
  members: { b: 'https://10.42.3.4:7373', a: 'https://10.42.1.1:7373' },
  state: 'existing',
  token: 'uuid',
  timers: 'normal',
  release: '3.5',
} as const;

test('a member listens on the mesh and, for clients, on loopback, with mTLS on both', () => {
  const config = JSON.parse(memberConfig(wish)) as Record<string, unknown>;
  assert.equal(config['listen-peer-urls'], 'https://10.42.3.4:7373');
  assert.equal(config['listen-client-urls'], 'https://10.42.3.4:7374,https://127.0.0.1:7374');
  assert.equal(config['advertise-client-urls'], 'https://10.42.3.4:7374');
  for (const side of ['client-transport-security', 'peer-transport-security']) {
    assert.deepEqual(config[side], {
      'cert-file': '/c/node.pem',
      'key-file': '/c/node.key',
      'trusted-ca-file': '/c/ca.pem',
      'client-cert-auth': true,
    });
  }
});

test('the same wish gives the same text, in whatever order the members come', () => {
  const other = { ...wish, members: { a: wish.members.a, b: wish.members.b } };
  assert.equal(memberConfig(other), memberConfig(wish));
  assert.match(memberConfig(wish), /"initial-cluster": "a=https:.*,b=https:/);
});

test('slow machines get slow timers', () => {
  const config = JSON.parse(memberConfig({ ...wish, timers: 'slow' })) as Record<string, unknown>;
  assert.deepEqual([config['heartbeat-interval'], config['election-timeout']], [500, 5000]);
});

test('etcd is started with its file alone', () => {
  assert.deepEqual(memberArgv('/run/e.json'), ['/usr/bin/etcd', '--config-file=/run/e.json']);
});
