import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSeed } from './checks.ts';
import type { SeedInput } from './seed.ts';

const PUBLIC_KEY =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEl0TDtlxsTFutZ3ux0r+9acPHZCntaOJ4j5LEtVGS8b ops@example';
const good: SeedInput = {
  clusterName: 'lab',
  user: 'clusteros',
  authorizedKeys: [PUBLIC_KEY],
  timezone: 'UTC',
  network: 'dhcp',
  clusterKey: Buffer.alloc(32, 7).toString('base64'),
  join: [],
};

test('a good seed has no mistakes', () => {
  assert.deepEqual(checkSeed(good), []);
});

test('host names are RFC 1123 labels', () => {
  for (const hostname of ['Node', '-a', 'a-', 'a.b', 'a_b', '', 'x'.repeat(64), 'a\nb']) {
    assert.equal(checkSeed({ ...good, hostname }).length, 1, JSON.stringify(hostname));
  }
  for (const hostname of ['a', '0', 'node-1', 'x'.repeat(63)]) {
    assert.deepEqual(checkSeed({ ...good, hostname }), [], hostname);
  }
});

test('every mistake is told at once', () => {
  const wrong = {
    ...good,
    hostname: 'A',
    user: 'root',
    timezone: 'x',
    clusterName: 'B',
    expect: 0,
    join: ['a b'],
  };
  const mistakes = checkSeed(wrong).join('\n');
  for (const word of [
    'host name',
    'user',
    'time zone',
    'cluster.name',
    'consensus.expect',
    'discovery.join[0]',
  ]) {
    assert.ok(mistakes.includes(word), `${word} in\n${mistakes}`);
  }
});

test('a key of another length is told without the key', () => {
  const clusterKey = Buffer.alloc(31, 9).toString('base64');
  const [mistake = ''] = checkSeed({ ...good, clusterKey });
  assert.match(mistake, /cluster key: it decodes to 31 bytes/);
  assert.ok(!mistake.includes(clusterKey));
});

test('a key that is none is told by its place in the list, and never shown', () => {
  for (const line of ['-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n', 'c2VjcmV0', good.clusterKey ?? '']) {
    const [mistake = ''] = checkSeed({ ...good, authorizedKeys: [PUBLIC_KEY, line] });
    assert.match(mistake, /^SSH key 2: /);
    assert.ok(!mistake.includes(line.slice(0, 8)), mistake);
  }
});

test('what cloud-init would not do with a network-config is refused', () => {
  const mistakesOf = (ethernets: unknown) => checkSeed({ ...good, network: { version: 2, ethernets } });
  assert.match(mistakesOf({}).join(), /expected at least one interface/);
  assert.match(mistakesOf({ lan: 7 }).join(), /^network.ethernets.lan: expected a map$/);
  const lan = { match: { macaddress: '52:54:00:00:00:01' }, 'set-name': 'lan0', dhcp4: true };
  assert.deepEqual(mistakesOf({ lan, eth1: { addresses: ['10.0.0.2/24'] } }), []);
});
