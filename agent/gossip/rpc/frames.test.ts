import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '@msgpack/msgpack';
import { randomFrom } from '../../testing/random.ts';
import { parseEvent, parseLog, parseMembers, parseStats } from './bodies.ts';
import { createFrameReader } from './frames.ts';

const MEMBERS = {
  Members: [
    { Name: 'a', Addr: Buffer.from([10, 0, 0, 1]), Port: 7946, Tags: { card: 'x' }, Status: 'alive' },
    { Name: 'b', Addr: Buffer.alloc(16, 7), Port: 70_000, Tags: null, Status: 'failed' },
  ],
};
const ANSWER = Buffer.concat([
  encode({ Seq: 7, Error: '' }),
  encode(MEMBERS),
  encode({ Seq: 2 ** 40, Error: 'no' }),
  encode({ Log: 'x'.repeat(300), Time: 1.5, Deep: [[[[-1, -300, -70_000, true, null]]]] }),
]);

test('a stream cut at any two places gives the same values', () => {
  const whole = createFrameReader().push(ANSWER);
  assert.equal(whole.length, 4);
  for (let cut = 0; cut <= ANSWER.length; cut += 1) {
    const reader = createFrameReader();
    const values = [
      ...reader.push(ANSWER.subarray(0, cut)),
      ...reader.push(ANSWER.subarray(cut, cut + 1)),
      ...reader.push(ANSWER.subarray(cut + 1)),
    ];
    assert.deepEqual(values, whole, `cut at ${cut}`);
    assert.equal(reader.buffered, 0);
  }
});

test('every kind of msgpack value is cut where the library says that it ends', () => {
  const texts = [0, 5, 31, 32, 255, 256, 70_000].map((length) => 'x'.repeat(length));
  const numbers = [
    0,
    127,
    128,
    255,
    256,
    65_536,
    2 ** 32,
    2 ** 40,
    -1,
    -32,
    -33,
    -129,
    -40_000,
    -(2 ** 40),
    0.5,
  ];
  const lists = [0, 15, 16, 70_000].map((length) => Array(length).fill(1));
  const maps = [0, 15, 16, 70_000].map((length) =>
    Object.fromEntries(Array.from({ length }, (_, index) => [`k${index}`, index])),
  );
  const binaries = [0, 255, 256, 70_000].map((length) => Buffer.alloc(length));
  const date = new Date(1_700_000_000_123);
  for (const value of [...texts, ...numbers, ...lists, ...maps, ...binaries, date, null, true, false]) {
    const bytes = encode(value);
    assert.equal(createFrameReader().push(bytes).length, 1);
    assert.equal(createFrameReader().push(bytes.subarray(0, -1)).length, 0);
    assert.ok(decode(bytes) !== undefined);
  }
});

test('a value that claims to be huge is refused before it is there', () => {
  const huge = Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff]);
  assert.throws(() => createFrameReader().push(huge), /more than 4194304 bytes/);
  const many = Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]);
  assert.throws(() => createFrameReader().push(many), /more than 400000 values/);
  assert.throws(() => createFrameReader().push(Buffer.from([0xc1])), /0xc1 begins no msgpack value/);
});

test('a value that never ends is refused at the limit, however it is dripped', () => {
  const reader = createFrameReader(10_000, 100_000);
  reader.push(Buffer.from([0xdd, 0, 0, 0xff, 0xff]));
  assert.throws(() => {
    for (let count = 0; count < 200; count += 1) reader.push(Buffer.alloc(1_000, 0xc0));
  }, /more than 10000 bytes/);
});

test('100,000 damaged answers neither crash nor hang nor pile up', () => {
  const random = randomFrom(1).below;
  let refused = 0;
  let understood = 0;
  for (let round = 0; round < 100_000; round += 1) {
    const reader = createFrameReader(64 * 1024, 10_000);
    const bytes = damage(ANSWER, random);
    const cut = random(bytes.length + 1);
    try {
      for (const value of [...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))]) {
        const members = parseMembers(value);
        if (members?.some(({ address, port }) => address === undefined || port > 65_535)) {
          assert.fail(`round ${round}: a member without a proper address`);
        }
        if (members) understood += 1;
        parseEvent(value);
        parseLog(value);
        parseStats(value);
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.ok(error instanceof Error, `round ${round}`);
      refused += 1;
    }
    assert.ok(reader.buffered <= 64 * 1024, `round ${round}`);
  }
  assert.ok(refused > 1_000 && understood > 1_000, `${refused} refused, ${understood} understood`);
});

function damage(original: Buffer, random: (below: number) => number): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let left = 1 + random(4); left > 0; left -= 1) {
    const at = random(bytes.length);
    const to = at + random(8);
    const choice = random(4);
    if (choice === 0) bytes[at] = random(256);
    else if (choice === 1) bytes[at] = 0xc0 + random(32);
    else if (choice === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
    else bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]);
  }
  return bytes;
}
