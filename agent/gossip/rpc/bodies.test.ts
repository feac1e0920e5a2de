import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import { addressText, parseMembers } from './bodies.ts';
import { createFrameReader } from './frames.ts';

const received = (value: unknown) => createFrameReader().push(encode(value))[0];
const member = {
  Name: 'node',
  Addr: Buffer.from([192, 168, 1, 9]),
  Port: 7946,
  Tags: { peer: '7947' },
  Status: 'alive',
  ProtocolCur: 4,
};

test('raw addresses become text', () => {
  assert.equal(addressText(Buffer.from([10, 0, 0, 255])), '10.0.0.255');
  assert.equal(addressText(Buffer.from('fd00000000000000000000000000000a', 'hex')), 'fd00::a');
  assert.equal(addressText(Buffer.from('00000000000000000000ffffc0a80105', 'hex')), '192.168.1.5');
  assert.equal(addressText(Buffer.from([1, 2, 3])), undefined);
  assert.equal(addressText('10.0.0.1'), undefined);
});

test('a member without sense is left out and the others stay', () => {
  const members = parseMembers(
    received({
      Members: [
        member,
        { ...member, Port: 70_000 },
        { ...member, Status: 'odd' },
        7,
        { ...member, Name: 'b' },
      ],
    }),
  );
  assert.deepEqual(
    members?.map(({ id }) => id),
    ['node', 'b'],
  );
  assert.deepEqual(members?.[0], {
    id: 'node',
    address: '192.168.1.9',
    port: 7946,
    status: 'alive',
    tags: { peer: '7947' },
  });
});

test('a tag called __proto__ is a tag', () => {
  // Written by hand: no literal makes such a map.
  const body = received({ Members: [member] }) as { Members: { Tags: Record<string, unknown> }[] };
  assert.ok(body.Members[0]);
  Object.defineProperty(body.Members[0].Tags, '__proto__', { value: Buffer.from('x'), enumerable: true });
  const [parsed] = parseMembers(body) ?? [];
  assert.equal(Object.getPrototypeOf(parsed?.tags), Object.prototype);
});

test('what is no list of members is not one', () => {
  for (const value of [null, 7, 'x', [], {}, { Members: 7 }]) {
    assert.equal(parseMembers(received(value)), undefined);
  }
});
