import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterTelling, differs, parseDump, renderConfig, withRetained } from './config.ts';
import { failuresIn, parseInterface, planInterface } from './interface.ts';
import type { PlannedPeer } from './peers.ts';

const peer: PlannedPeer = {
  id: 'a',
  publicKey: 'KEYA=',
  address: '10.42.0.9',
  allowedIps: ['10.42.0.9/32', '10.42.255.1/32'],
  endpoint: '192.168.1.9:51820',
  wanted: '192.168.1.9:51820',
  keepalive: 25,
  alive: true,
};
const bare: PlannedPeer = {
  ...peer,
  publicKey: 'KEYB=',
  allowedIps: ['10.42.0.8/32'],
  endpoint: undefined,
  keepalive: undefined,
};

test('the configuration is whole: interface, keys, and each peer with what is known of it', () => {
  assert.equal(
    renderConfig({ privateKey: 'SECRET=', port: 51820, peers: [peer, bare] }),
    `[Interface]
PrivateKey = SECRET=
ListenPort = 51820

[Peer]
PublicKey = KEYA=
AllowedIPs = 10.42.0.9/32, 10.42.255.1/32
Endpoint = 192.168.1.9:51820
PersistentKeepalive = 25

[Peer]
PublicKey = KEYB=
AllowedIPs = 10.42.0.8/32
`,
  );
});

const DUMP = [
  'SECRET=\tPUB=\t51820\toff',
  'KEYA=\t(none)\t192.168.1.9:51820\t10.42.255.1/32,10.42.0.9/32\t1700000000\t148\t92\t25',
  'KEYB=\t(none)\t(none)\t10.42.0.8/32\t0\t0\t0\toff',
  '',
].join('\n');

test('a dump is read without its secrets', () => {
  const dump = parseDump(DUMP);
  assert.doesNotMatch(JSON.stringify(dump), /SECRET/);
  assert.deepEqual(dump, {
    publicKey: 'PUB=',
    port: 51820,
    peers: [
      {
        publicKey: 'KEYA=',
        endpoint: '192.168.1.9:51820',
        allowedIps: ['10.42.0.9/32', '10.42.255.1/32'],
        handshake: 1_700_000_000,
        received: 148,
        sent: 92,
        keepalive: 25,
      },
      {
        publicKey: 'KEYB=',
        endpoint: undefined,
        allowedIps: ['10.42.0.8/32'],
        handshake: undefined,
        received: 0,
        sent: 0,
        keepalive: undefined,
      },
    ],
  });
  assert.deepEqual(parseDump('(none)\t(none)\t0\toff\n'), { publicKey: undefined, port: 0, peers: [] });
});

test('WireGuard is told only what it does not know', () => {
  const says = (publicKey: string, port: number, peers: PlannedPeer[]) =>
    differs(parseDump(DUMP), publicKey, { port, peers });
  assert.equal(says('PUB=', 51820, [bare, peer]), false);
  assert.equal(says('PUB2=', 51820, [peer, bare]), true);
  assert.equal(says('PUB=', 51821, [peer, bare]), true);
  assert.equal(says('PUB=', 51820, [peer]), true);
  assert.equal(says('PUB=', 51820, [peer, { ...bare, publicKey: 'KEYC=' }]), true);
  assert.equal(says('PUB=', 51820, [{ ...peer, keepalive: undefined }, bare]), true);
  assert.equal(says('PUB=', 51820, [{ ...peer, endpoint: '192.168.1.10:51820' }, bare]), true);
  assert.equal(says('PUB=', 51820, [{ ...peer, allowedIps: ['10.42.0.9/32'] }, bare]), true);
});

const OUTPUT = JSON.stringify([
  {},
  {
    ifname: 'wg0',
    flags: ['POINTOPOINT', 'NOARP', 'UP'],
    mtu: 1420,
    linkinfo: { info_kind: 'tun' },
    addr_info: [
      { family: 'inet', local: '10.42.0.9', prefixlen: 16 },
      { family: 'inet6', local: 'fe80::1', prefixlen: 64 },
    ],
  },
]);

test('an interface that is as it shall be is left alone', () => {
  const now = parseInterface(OUTPUT);
  assert.deepEqual(now, { kind: 'tun', up: true, mtu: 1420, addresses: ['10.42.0.9/16'] });
  assert.deepEqual(planInterface('wg0', now, { address: '10.42.0.9/16', held: [], mtu: 1420 }), []);
  assert.equal(parseInterface('[]'), undefined);
});

test('an old address goes before the new one comes, and services that we do not hold go', () => {
  const now = { kind: 'tun', up: false, mtu: 1500, addresses: ['10.42.0.9/16', '10.42.255.1/32'] };
  const held = ['10.42.255.2/32'];
  assert.deepEqual(planInterface('wg0', now, { address: '10.42.0.8/16', held, mtu: 1420 }), [
    'address del 10.42.0.9/16 dev wg0',
    'address del 10.42.255.1/32 dev wg0',
    'address add 10.42.0.8/16 dev wg0',
    'link set dev wg0 mtu 1420',
    'link set dev wg0 up',
  ]);
});

test('an address that is gone before it is removed is no failure, and hides none', () => {
  const gone = 'Error: ipv4: Address not found.\nCommand failed -:1\n';
  assert.equal(failuresIn(gone), '');
  assert.equal(failuresIn('RTNETLINK answers: Cannot assign requested address\nCommand failed -:2\n'), '');
  assert.equal(
    failuresIn(`${gone}Cannot find device "wg0"\nCommand failed -:3\n`),
    'Cannot find device "wg0"',
  );
});

test('peers of an earlier run stay while their cards are unknown, without what others have now', () => {
  const dump = parseDump(DUMP);
  const keys = (planned: PlannedPeer[], forgotten: string[]) =>
    withRetained(planned, dump, new Set(forgotten)).map(({ publicKey, allowedIps }) => [
      publicKey,
      ...allowedIps,
    ]);
  assert.deepEqual(keys([bare], []), [
    ['KEYB=', '10.42.0.8/32'],
    ['KEYA=', '10.42.0.9/32', '10.42.255.1/32'],
  ]);
  assert.deepEqual(keys([bare], ['KEYA=']), [['KEYB=', '10.42.0.8/32']]);
  const holder = { ...bare, allowedIps: ['10.42.0.8/32', '10.42.255.1/32'] };
  assert.deepEqual(keys([holder], [])[1], ['KEYA=', '10.42.0.9/32']);
  assert.equal(differs(dump, 'PUB=', { port: 51820, peers: withRetained([], dump, new Set()) }), false);
});

test('what WireGuard was told need not be read back: nothing differs then, and handshakes stay', () => {
  const dump = parseDump(DUMP);
  const config = {
    port: 51820,
    peers: [
      { ...peer, allowedIps: ['10.42.0.9/32'] },
      { ...bare, publicKey: 'KEYC=' },
    ],
  };
  assert.ok(differs(dump, 'PUB=', config));
  const after = afterTelling(dump, config);
  assert.ok(!differs(after, 'PUB=', config));
  assert.deepEqual(
    after.peers.map(({ handshake }) => handshake),
    [1700000000, undefined],
  );
});
