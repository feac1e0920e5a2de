import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDefinition } from '../build/definition/load.ts';
import { describe, dotted } from './mistakes.ts';
import { networkMistakes } from './network-config.ts';

const said = (network: unknown) => networkMistakes(network).map((it) => describe('', dotted(it.path), it));
const one = (it: unknown, name = 'ens3') => said({ version: 2, ethernets: { [name]: it } }).join('\n');

test('what cloud-init carries out on every base is taken', () => {
  const ethernets = {
    ens3: {
      addresses: ['192.168.1.5/24', 'fd00::5/64'],
      gateway4: '192.168.1.1',
      routes: [
        { to: '10.0.0.0/8', via: '192.168.1.2', metric: 5 },
        { to: '::/0', via: 'fe80::1' },
      ],
      nameservers: { addresses: ['192.168.1.1'], search: ['lab.example'] },
      mtu: 9000,
    },
    lan: { match: { macaddress: '52:54:00:12:34:56' }, 'set-name': 'lan0', dhcp4: true, dhcp6: false },
    ens4: {
      dhcp4: true,
      'dhcp4-overrides': { 'use-dns': false, 'use-domains': 'route', 'route-metric': 10 },
    },
    ens5: { dhcp4: false },
  };
  assert.deepEqual(said({ version: 2, renderer: 'networkd', ethernets }), []);
});

test('a version in quotes is told as that', () => {
  assert.match(said({ version: '2', ethernets: {} }).join(), /^version: expected 2 without quotes$/);
});

test('what netplan knows and cloud-init drops is refused as that, whatever it is', () => {
  const ethernets = { eno1: { dhcp4: true } };
  for (const kind of ['vlans', 'bonds', 'bridges', 'wifis', 'tunnels', 'vrfs'])
    assert.match(
      said({ version: 2, ethernets, [kind]: {} }).join(),
      new RegExp(`^${kind}: cloud-init drops it`),
    );
  for (const [key, value] of [
    ['routing-policy', []],
    ['wakeonlan', true],
    ['macaddress', '52:54:00:12:34:56'],
    ['link-local', ['ipv6']],
    ['dhcp-identifier', 'mac'],
  ] as const)
    assert.match(
      one({ dhcp4: true, [key]: value }),
      new RegExp(`^ethernets.ens3.${key}: cloud-init drops it`),
    );
  for (const [key, value] of [
    ['on-link', true],
    ['table', 7],
    ['mtu', 1400],
    ['type', 'blackhole'],
  ] as const)
    assert.match(
      one({ dhcp4: true, routes: [{ to: '10.0.0.0/8', via: '10.1.1.1', [key]: value }] }),
      new RegExp(`routes\\[0\\].${key}: cloud-init drops it`),
    );
  for (const match of [{ driver: 'virtio_net' }, { name: 'e*' }])
    assert.match(
      one({ match, 'set-name': 'lan0', dhcp4: true }, 'lan'),
      /match\.(driver|name): cloud-init drops it/,
    );
});

test('misspelt keys and values that mean another thing are refused', () => {
  assert.match(
    one({ adresses: ['192.168.1.10/24'] }),
    /ens3.adresses: unknown key; .*did you mean addresses\?/,
  );
  assert.match(one({ dhcp4: 'no' }), /ens3.dhcp4: expected true or false/);
  assert.match(one({ addresses: ['192.168.1.10'] }), /addresses\[0\]: expected an address with its prefix/);
  assert.match(
    one({ addresses: [{ '10.0.0.1/24': { lifetime: 0 } }] }),
    /addresses\[0\]: expected an address/,
  );
  assert.match(one({ dhcp4: true, routes: [{ to: 'default', via: '10.0.0.1' }] }), /0\.0\.0\.0\/0 or ::\/0/);
  assert.match(one({}), /expected dhcp4, dhcp6 or addresses/);
  assert.match(one({ match: { macaddress: '52:54:00:00:00:01' }, dhcp4: true }), /expected set-name/);
  assert.match(one({ 'set-name': 'lan0', dhcp4: true }), /expected match/);
  assert.match(one({ addresses: ['10.0.0.2/24'], gateway6: 'fd00::1' }), /expected an IPv6 address/);
  assert.match(
    one({ mtu: 9000, dhcp4: false, routes: [{ to: '0.0.0.0/0', via: '10.0.0.1' }] }),
    /addresses or DHCP/,
  );
  assert.match(
    one({ addresses: ['203.0.113.7/32'], routes: [{ to: '0.0.0.0/0', via: '172.31.1.1' }] }),
    /routes\[0\]\.via: expected an address in a network of this interface; cloud-init cannot say on-link/,
  );
  assert.match(said({ version: 2 }).join(), /ethernets: expected a map/);
  assert.match(said({ network: { version: 2 } }).join(), /network: what stands below it belongs to the top/);
  assert.match(one({ dhcp4: true }, 'a name'), /expected the name of an interface/);
});

test('in a definition each mistake has its line, also what only Debian 12 drops', () => {
  const text = (base: string, more: string) =>
    Buffer.from(
      `base: ${base}\nseed:\n  network:\n    version: 2\n    ethernets:\n      eno1:\n        ${more}\n`,
    );
  const mistakes = (content: Buffer) => {
    const checked = checkDefinition(content);
    return 'mistakes' in checked
      ? checked.mistakes.map(({ place, text: words }) => `${place.line}: ${words}`)
      : [];
  };
  assert.match(mistakes(text('debian-13', 'adresses: [10.0.0.2/24]')).join('\n'), /^7: unknown key/m);
  assert.match(
    mistakes(text('debian-13', 'dhcp4: true\n    vlans: {}')).join('\n'),
    /^8: cloud-init drops it/,
  );
  const two =
    'addresses: [10.0.0.2/24, "fd00::2/64"]\n        gateway4: 10.0.0.1\n        gateway6: "fd00::1"';
  const late = `${two}\n        optional: true\n        routes:\n          - {to: "::/0", via: "fd00::9", metric: 5}`;
  for (const base of ['debian-12', 'debian-13']) assert.deepEqual(mistakes(text(base, two)), [], base);
  assert.deepEqual(mistakes(text('debian-13', late)), []);
  assert.deepEqual(mistakes(text('debian-12', late)), [
    '10: the cloud-init of Debian 12 drops it without a word',
    '12: the cloud-init of Debian 12 makes ::/64 of it: use gateway6',
    '12: the cloud-init of Debian 12 drops it without a word',
  ]);
});
