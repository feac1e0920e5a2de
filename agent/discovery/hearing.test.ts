import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Contact, KnownCard, Member } from '../engine/resources.ts';
import { createLog } from '../log.ts';
import { beaconKey, decodeBeacon, encodeBeacon } from './beacon.ts';
import { afterCall, planCalls } from './calls.ts';
import { judge } from './clones.ts';
import { ageContacts, BEACON_AGE_MS, NO_CONTACTS, noteContact, publish } from './contacts.ts';
import { broadcastOf, inNetwork, isUsable } from './ip.ts';
import { joinsOf, splitAddress } from './joins.ts';
import { lanLinks } from './links.ts';
import { createRefusals } from './refusals.ts';
import { beat, startRhythm } from './rhythm.ts';
import { identityOf } from './testing/peers.ts';

const contact = (n: number, changes: Partial<Contact> = {}): Contact => ({
  address: `192.168.${n >> 8}.${n & 255}`,
  peerPort: 7947,
  via: 'beacon',
  heardMs: 0,
  ...changes,
});

test('a beacon is read under each key that counts, and names another one by its fingerprint', () => {
  const [old, newer] = [beaconKey(Buffer.alloc(32, 1)), beaconKey(Buffer.alloc(32, 2))];
  const beacon = {
    id: identityOf(1).id,
    instance: 'ab'.repeat(8),
    peerPort: 1,
    gossipPort: 2,
    genesis: undefined,
  };
  assert.deepEqual(decodeBeacon(encodeBeacon(beacon, old), [newer, old])?.beacon, beacon);
  const heard = decodeBeacon(encodeBeacon(beacon, old), [newer]);
  assert.equal(heard?.refused?.reason, `its cluster key is another (fingerprint ${old.fingerprint})`);
  assert.equal(
    decodeBeacon(Buffer.from('something else on this port, long enough to be one of ours'), []),
    undefined,
  );
});

test('contacts age out, are bounded, and one id cannot fill the table', () => {
  let table = NO_CONTACTS;
  for (let n = 0; n < 2_000; n += 1) table = noteContact(table, contact(n, { heardMs: n }));
  assert.equal(table.size, 1_024);
  let flooded = noteContact(NO_CONTACTS, contact(5_000, { heardMs: 1e6 }));
  for (let n = 0; n < 100; n += 1) flooded = noteContact(flooded, contact(n, { id: 'x', heardMs: n }));
  assert.equal(flooded.size, 9);
  assert.equal(ageContacts(table, 1_999 + BEACON_AGE_MS).size, 0);
});

test('a beacon that is heard again is no news', () => {
  let table = noteContact(NO_CONTACTS, contact(1));
  const first = publish(table, []);
  table = noteContact(table, contact(1, { heardMs: 1_000 }));
  assert.equal(publish(table, first)[0], first[0]);
  table = noteContact(table, contact(1, { heardMs: 20_000 }));
  assert.equal(publish(table, first)[0]?.heardMs, 20_000);
});

test('the beacon is sent each second at first and while alone, later every 10 to 30 s', () => {
  const count = (alive: number, fromMs: number) => {
    let rhythm = startRhythm(0);
    let beacons = 0;
    let queries = 0;
    for (let nowMs = 0; nowMs < fromMs + 120_000; nowMs += 100) {
      const step = beat(rhythm, { alive, nowMs, random: 0.5 });
      rhythm = step.next;
      if (nowMs >= fromMs && step.beacon) beacons += 1;
      if (nowMs >= fromMs && step.query) queries += 1;
    }
    return [beacons, queries];
  };
  assert.deepEqual(count(0, 60_000), [120, 4]);
  const [few = 0, asked] = count(2, 60_000);
  assert.ok(few >= 4 && few <= 12, `${few}`);
  assert.equal(asked, 0);
  const second = (settled: boolean) => {
    const { next } = beat(startRhythm(0), { alive: 1, settled, nowMs: 0, random: 0.5 });
    return beat(next, { alive: 1, settled, nowMs: 1_000, random: 0.5 }).beacon;
  };
  assert.deepEqual([second(false), second(true)], [true, false]);
});

test('of two runs with one identity exactly one keeps it, whatever their standings', () => {
  for (const [memberA, memberB] of [
    [0, 0],
    [5, 0],
    [0, 5],
    [7, 7],
  ] as const) {
    for (const [a, b] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      const one = { instance: 'aa', memberMs: memberA, duplicate: a };
      const other = { instance: 'bb', memberMs: memberB, duplicate: b };
      assert.notEqual(judge(one, other), judge(other, one));
    }
  }
});

test('who is called: strangers at once, the absent again later, the members of gossip not at all', () => {
  const id = identityOf(2).id;
  const member: Member = {
    id,
    address: '192.168.0.1',
    port: 7946,
    status: 'alive',
    tags: { card: 'h' },
    sinceMs: 0,
  };
  const known = {
    card: { id, addresses: [] },
    hash: 'h',
    address: '192.168.0.1',
    provenMs: 0,
  } as unknown as KnownCard;
  const base = {
    ownId: 'me',
    members: [],
    cards: new Map(),
    attempts: new Map(),
    running: new Set<string>(),
    peerPort: 7947,
    nowMs: 0,
    contacts: [contact(1, { id })],
  };
  assert.equal(planCalls(base).calls.length, 1);
  const cards = new Map([[id, known]]);
  assert.equal(planCalls({ ...base, cards }).calls.length, 0);
  assert.equal(planCalls({ ...base, cards, nowMs: 20_000 }).calls.length, 1);
  assert.equal(planCalls({ ...base, cards, members: [member], nowMs: 20_000 }).calls.length, 0);
  // In a run in which nobody has answered yet, also who is alive or has called us a moment ago.
  const first = { ...base, cards, members: [member], unanswered: true };
  assert.deepEqual(planCalls(first).calls, [{ address: '192.168.0.1', port: 7947, hash: 'h' }]);
  const stale = { ...member, tags: { card: 'other', peer: '9000' } };
  assert.deepEqual(planCalls({ ...base, cards, members: [stale] }).calls, [
    { address: '192.168.0.1', port: 9000, hash: 'other' },
  ]);
  // Who has answered a moment ago is asked again for another card, but not twice for the same.
  const answered = (hash?: string) =>
    new Map([['192.168.0.1 9000', afterCall(undefined, 'answered', 0, 0.5, hash)]]);
  const after = { ...base, cards, members: [stale], nowMs: 1_000 };
  assert.equal(planCalls({ ...after, attempts: answered() }).calls.length, 1);
  assert.equal(planCalls({ ...after, attempts: answered('other') }).calls.length, 0);
  assert.equal(planCalls({ ...after, attempts: answered('older') }).calls.length, 1);
  const many = Array.from({ length: 20 }, (_, n) => contact(n));
  assert.equal(planCalls({ ...base, contacts: many }).calls.length, 4);
  let attempts = afterCall(undefined, 'failed', 0, 0.5);
  for (let n = 0; n < 20; n += 1) attempts = afterCall(attempts, 'failed', 0, 0.5);
  assert.equal(attempts.nextMs, 30_000);
});

test('refusals are logged once per peer, reason and minute, counted all, and bounded', () => {
  let nowMs = 0;
  const lines: string[] = [];
  const refusals = createRefusals({
    log: createLog({ write: (line) => lines.push(line) }),
    now: () => nowMs,
    wallClock: () => new Date(0),
  });
  for (let n = 0; n < 5; n += 1)
    refusals.record('192.168.1.9', 'altered', 'its beacon was altered or forged');
  assert.deepEqual(lines, ['<4>failed authentication: its beacon was altered or forged peer=192.168.1.9\n']);
  nowMs = 60_000;
  refusals.record('192.168.1.9', 'altered', 'its beacon was altered or forged');
  assert.equal(lines.length, 2);
  assert.equal(refusals.list()[0]?.times, 6);
  for (let n = 0; n < 1_000; n += 1) refusals.record(`10.0.${n >> 8}.${n & 255}`, 'altered', 'x');
  assert.equal(refusals.list().length, 256);
  assert.ok(lines.length < 70, `${lines.length} lines`);
});

test('tunnels and the bridges of containers are no LAN; addresses nobody can reach are left out', () => {
  const one = (name: string, address = '192.168.1.2') => ({
    name,
    index: 1,
    mac: 'x',
    internal: name === 'lo',
    multicast: true,
    addresses: [
      { family: address.includes(':') ? ('IPv6' as const) : ('IPv4' as const), address, prefix: 24 },
    ],
  });
  const names = [
    'lo',
    'wg0',
    'mesh7',
    'docker0',
    'br-0123456789ab',
    'veth1',
    'cni0',
    'flannel.1',
    'virbr0',
    'eth0',
    'br0',
    'bond0',
    'wlan0',
  ];
  assert.deepEqual(
    lanLinks(
      names.map((name) => one(name)),
      'mesh7',
    ).map(({ name }) => name),
    ['eth0', 'br0', 'bond0', 'wlan0'],
  );
  assert.deepEqual(lanLinks([one('eth0', 'fe80::1')], 'wg0'), []);
  assert.equal(lanLinks([one('eth0')], 'wg0')[0]?.addresses[0]?.broadcast, '192.168.1.255');
});

test('addresses: networks, broadcasts, and what another machine can use', () => {
  assert.equal(broadcastOf('10.1.2.3', 30), '10.1.2.3');
  assert.equal(broadcastOf('10.1.2.3', 31), undefined);
  assert.equal(broadcastOf('172.16.5.4', 20), '172.16.15.255');
  assert.ok(inNetwork('172.16.9.9', '172.16.5.4', 20) && !inNetwork('172.16.16.9', '172.16.5.4', 20));
  for (const good of ['169.254.3.4', '10.0.0.1', 'fd00::5', '2001:db8::1', '1::1'])
    assert.ok(isUsable(good), good);
  for (const bad of [
    '0.0.0.0',
    '127.9.9.9',
    '255.255.255.255',
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    'fe80::1',
    'ff02::fb',
    '::ffff:10.0.0.1',
    'x',
    '1.2.3',
  ])
    assert.ok(!isUsable(bad), bad);
});

test('join entries: names, ports, IPv6 literals, and gossip’s port means the machine', () => {
  assert.deepEqual(splitAddress('[fd00::1]:8000'), { host: 'fd00::1', port: 8000 });
  assert.deepEqual(splitAddress('fd00::1'), { host: 'fd00::1' });
  assert.deepEqual(splitAddress('a.example:9'), { host: 'a.example', port: 9 });
  const joins = joinsOf({ join: ['a:7946', 'b:8000', '10.0.0.1'], dns: '_c._tcp.x', port: 7947 }, 7946);
  assert.deepEqual(
    joins.map(({ host, port }) => `${host} ${port}`),
    ['a 7947', 'b 8000', '10.0.0.1 7947', '_c._tcp.x 7947'],
  );
});
