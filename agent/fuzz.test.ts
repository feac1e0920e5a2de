import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howMany } from '../test/depth.ts';
import { readDocument } from './config/document.ts';
import { resolveSettings } from './config/resolve.ts';
import { AgentError } from './errors.ts';
import { readKey } from './identity/cluster-key.ts';
import { identityFromSeed, parseIdentity, serializeIdentity } from './identity/identity.ts';
import { randomFrom } from './testing/random.ts';

const ROUNDS = howMany(10_000, 100_000, '100,000 fuzz rounds of identities, keys and settings', 1);

/** One to eight changes: a byte flipped, a piece cut, doubled, moved, or something nasty put in. */
function mutate(original: Buffer, random: (below: number) => number): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let left = 1 + random(8); left > 0; left -= 1) {
    const [from, to] = [random(bytes.length + 1), random(bytes.length + 1)].sort((a, b) => a - b) as [
      number,
      number,
    ];
    const piece = bytes.subarray(from, to);
    const nasty = Buffer.from(NASTY[random(NASTY.length)] ?? '', 'latin1');
    const choice = random(5);
    if (choice === 0 && bytes.length > 0) bytes[from % bytes.length] = random(256);
    else if (choice === 1) bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    else if (choice === 2) bytes = Buffer.concat([bytes.subarray(0, to), piece, bytes.subarray(to)]);
    else bytes = Buffer.concat([bytes.subarray(0, from), nasty, bytes.subarray(from)]);
    bytes = bytes.subarray(0, 64 * 1024);
  }
  return bytes;
}

const NASTY = [
  '\0',
  '\xff\xfe',
  '{',
  '[',
  '&a ',
  '*a',
  '!!binary ',
  '<<: ',
  '? ',
  '|',
  '>',
  '"',
  "'",
  '\n',
  '\t',
  '- ',
  ': ',
  '1e999',
  'null',
  '__proto__',
  'constructor: ',
  '%YAML 9',
  '---\n',
  '#',
  '=',
  '\x85',
];

test(`${ROUNDS} damaged identities are each refused with a code, or are still the same identity`, () => {
  const identity = identityFromSeed(Buffer.alloc(32, 1), new Date(0));
  const text = Buffer.from(serializeIdentity(identity));
  const random = randomFrom(1).below;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    try {
      assert.equal(
        parseIdentity(mutate(text, random), { path: 'f', mode: 0o600, uid: 0, ownUid: 0 }).id,
        identity.id,
      );
    } catch (error) {
      assert.ok(error instanceof AgentError, `round ${round}: ${error}`);
      refused += 1;
    }
  }
  assert.ok(refused > ROUNDS * 0.8, `${refused} of ${ROUNDS} were refused`);
});

test(`${ROUNDS} damaged cluster keys are each refused with a reason, or have 32 bytes`, () => {
  const text = Buffer.from(`${Buffer.alloc(32, 0xa5).toString('base64')}\n`);
  const random = randomFrom(2).below;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const reading = readKey(mutate(text, random));
    if (reading.key === undefined) {
      assert.ok(reading.reason.length > 10 && reading.reason.length < 120);
      refused += 1;
    } else assert.equal(reading.key.length, 32);
  }
  assert.ok(refused > ROUNDS * 0.5, `${refused} of ${ROUNDS} were refused`);
});

test(`${ROUNDS} damaged settings files each give settings or mistakes, in bounded time`, () => {
  const text = Buffer.from(
    'name: alpha\ncluster: {name: lab}\ndiscovery:\n  join: [a.example, "[fd00::1]:7946"]\ngossip:\n  port: 7946\nconsensus:\n  peer_port: 7373\n  expect: 3\n  bootstrap: false\nmesh:\n  port: 51820\n  range: 10.42.0.0/16\nlog:\n  level: info\n',
  );
  const random = randomFrom(3).below;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const input = mutate(text, random).toString('utf8');
    const started = performance.now();
    const { settings, problems } = resolveSettings([readDocument('f', input)]);
    assert.ok(performance.now() - started < 1_000, `round ${round} took long`);
    assert.ok(settings !== undefined || problems.length > 0, `round ${round}`);
    if (problems !== undefined) refused += 1;
  }
  assert.ok(refused > ROUNDS * 0.3, `${refused} of ${ROUNDS} were refused`);
});
