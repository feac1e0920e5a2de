import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AdvertiseInput, chooseAdvertise } from './advertise.ts';
import { contact, knownCard, link, member } from './testing/fixtures.ts';

const choose = (more: Partial<AdvertiseInput>) =>
  chooseAdvertise({
    ownId: 'own',
    links: [],
    contacts: [],
    cards: [],
    members: [],
    current: undefined,
    nowMs: 0,
    ...more,
  }).address;

const NAT = link('eth0', 2, '10.0.2.15');
const LAN = link('eth1', 3, '192.168.7.4', 'fd00::4');
const ZEROCONF = link('eth2', 4, '169.254.3.3');

test('without any other node the first real IPv4 address is told', () => {
  assert.equal(choose({ links: [ZEROCONF, LAN] }), '192.168.7.4');
  assert.equal(choose({ links: [link('e', 1, 'fe80::1', 'fd00::1')] }), 'fd00::1');
  assert.equal(choose({ links: [ZEROCONF] }), '169.254.3.3');
  assert.equal(choose({ links: [] }), undefined);
});

test('the address is told that is where the others are', () => {
  assert.equal(choose({ links: [NAT, LAN], contacts: [contact('192.168.7.9')] }), '192.168.7.4');
  assert.equal(choose({ links: [LAN, ZEROCONF], contacts: [contact('169.254.9.9')] }), '169.254.3.3');
  assert.equal(
    choose({ links: [NAT, LAN], contacts: [contact('172.16.0.1', { link: 'eth1' })] }),
    '192.168.7.4',
  );
  assert.equal(choose({ links: [NAT, LAN], members: [member('b', '192.168.7.9')] }), '192.168.7.4');
});

test('an address that another node claims is never told, even when it is the only one', () => {
  const cards = [knownCard('b', ['192.168.7.5', '10.0.2.15'], { provenMs: 0 })];
  assert.equal(choose({ links: [NAT, LAN], cards }), '192.168.7.4');
  assert.equal(choose({ links: [NAT], cards, current: '10.0.2.15' }), undefined);
  assert.equal(choose({ links: [NAT], members: [member('b', '10.0.2.15')] }), undefined);
  const choice = chooseAdvertise({
    ownId: 'own',
    links: [NAT],
    contacts: [],
    cards,
    members: [],
    current: undefined,
    nowMs: 0,
  });
  assert.deepEqual(choice, { claimed: { '10.0.2.15': 'b' } });
});

test('our own card and the old card of a dead node claim nothing', () => {
  assert.equal(
    choose({ links: [NAT], cards: [knownCard('own', ['10.0.2.15'], { provenMs: 0 })] }),
    '10.0.2.15',
  );
  const old = [knownCard('b', ['10.0.2.15'], { provenMs: 0 })];
  assert.equal(choose({ links: [NAT], cards: old, nowMs: 600_000 }), '10.0.2.15');
  const dead = [member('b', '10.0.2.15', { status: 'failed' })];
  assert.equal(choose({ links: [NAT], cards: old, members: dead, nowMs: 600_000 }), '10.0.2.15');
});

test('the address stays while we have it, also when more nodes appear elsewhere', () => {
  const contacts = [contact('10.0.2.3'), contact('192.168.7.8'), contact('192.168.7.9')];
  assert.equal(choose({ links: [NAT, LAN], contacts, current: '10.0.2.15' }), '10.0.2.15');
  assert.equal(
    choose({ links: [NAT, LAN], contacts: contacts.slice(1), current: '10.0.2.15' }),
    '192.168.7.4',
  );
  assert.equal(choose({ links: [NAT, LAN], current: '192.168.7.4' }), '192.168.7.4');
  assert.equal(choose({ links: [NAT, LAN], contacts, current: '192.168.9.9' }), '192.168.7.4');
});

test('an emergency address gives way to a real one, unless somebody may use it', () => {
  const emergency = { links: [ZEROCONF, LAN], current: '169.254.3.3' };
  const own = member('own', '169.254.3.3');
  assert.equal(choose({ ...emergency, members: [own] }), '192.168.7.4');
  assert.equal(choose({ ...emergency, members: [] }), '169.254.3.3', 'Serf was not asked yet');
  const seeing = (status: 'alive' | 'failed' | 'left', address = '169.254.9.9') =>
    choose({ ...emergency, members: [own, member('b', address, { status })] });
  assert.equal(seeing('alive'), '169.254.3.3');
  assert.equal(seeing('failed'), '169.254.3.3', 'it comes back there');
  assert.equal(seeing('left'), '192.168.7.4');
  assert.equal(seeing('failed', '10.9.9.9'), '192.168.7.4');
  const contacts = [contact('192.168.7.9')];
  assert.equal(
    choose({ ...emergency, members: [own, member('b', '169.254.9.9', { status: 'failed' })], contacts }),
    '192.168.7.4',
    'somebody is at the real one',
  );
});
