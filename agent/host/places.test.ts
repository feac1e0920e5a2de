import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Server } from 'node:net';
import { test } from 'node:test';
import { boundPlaces, groupOf, makeRoom, type Place } from './places.ts';

const LIMITS = { connections: 4, connectionsOfOneAddress: 2 };

const place = (group: string, more: Partial<Place> = {}) => ({
  group,
  known: false,
  admitted: false,
  ...more,
});

test('when all places are taken the oldest that has not shown a key goes', () => {
  const [a, b, c, d] = [place('a', { admitted: true }), place('b'), place('c'), place('d')];
  assert.deepEqual(makeRoom([a, b, c], place('e'), LIMITS), { isAdmitted: true });
  assert.equal(makeRoom([a, b, c, d], place('e'), LIMITS).out, b);
});

test('nobody who holds a key makes room: the newcomer is turned away', () => {
  const full = ['a', 'b', 'c', 'd'].map((group) => place(group, { admitted: true }));
  assert.deepEqual(makeRoom(full, place('e'), LIMITS), { isAdmitted: false });
});

test('a place is kept by who has shown a key since it came, and given up by who is gone', () => {
  const server = new EventEmitter();
  const limits = { connections: 2, connectionsOfOneAddress: 2 };
  boundPlaces(
    server as unknown as Server,
    limits,
    ({ remoteAddress = '' }) => remoteAddress,
    () => false,
  );
  const comes = (remoteAddress: string) => {
    const socket = Object.assign(new EventEmitter(), { remoteAddress, remotePort: 1, destroyed: false });
    Object.assign(socket, { destroy: () => Object.assign(socket, { destroyed: true }) });
    server.emit('connection', socket);
    return socket;
  };
  const [member, stranger] = [comes('192.0.2.1'), comes('192.0.2.2')];
  server.emit('secureConnection', member);
  const later = comes('192.0.2.3');
  assert.deepEqual(
    [member, stranger, later].map(({ destroyed }) => destroyed),
    [false, true, false],
  );
  server.emit('secureConnection', later);
  assert.ok(comes('192.0.2.4').destroyed);
  member.emit('close');
  assert.ok(!comes('192.0.2.5').destroyed);
});

test('known addresses have places of their own', () => {
  const full = ['a', 'b', 'c', 'd'].map((group) => place(group, { admitted: true }));
  assert.deepEqual(makeRoom(full, place('member', { known: true }), LIMITS), { isAdmitted: true });
});

test('of one machine beyond its share the oldest without a key goes, and of no other', () => {
  const [a, b, c] = [place('a'), place('b'), place('b')];
  assert.equal(makeRoom([a, b, c], place('b'), LIMITS).out, b);
});

test('addresses of IPv6 count by their /64, however they are written', () => {
  assert.equal(groupOf('192.0.2.1'), '192.0.2.1');
  assert.equal(groupOf('2001:db8:0:1::5'), '2001:db8:0:1::/64');
  assert.equal(groupOf('2001:DB8:0:0001:ffff:1:2:3'), '2001:db8:0:1::/64');
  assert.equal(groupOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(groupOf('::1'), '0:0:0:0::/64');
});
