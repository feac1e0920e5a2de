import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howMany } from '../../test/depth.ts';
import { randomFrom } from '../testing/random.ts';
import { beaconFromText, beaconKey, beaconText, decodeBeacon, encodeBeacon } from './beacon.ts';
import { parseCard, verifyCard } from './card.ts';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, introduce } from './channel/envelope.ts';
import { exchangeSchema, pageSchema } from './known-cards.ts';
import { cardOf, identityOf, keyOf, RANGE, signedOf } from './testing/peers.ts';

const ROUNDS = howMany(10_000, 100_000, '100,000 fuzz rounds of beacons, cards and requests', 1);

const NASTY = [
  '\0',
  '\xff',
  '{',
  '[',
  '"',
  '}',
  '1e999',
  '-1',
  'null',
  '__proto__',
  '\\u0000',
  ',',
  ':',
  'A'.repeat(300),
];

/** One to four changes: a byte flipped, a piece cut or doubled, something nasty put in. */
function mutate(original: Buffer, random: (below: number) => number): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let left = 1 + random(4); left > 0; left -= 1) {
    const from = random(bytes.length + 1);
    const to = Math.min(bytes.length, from + random(24));
    const choice = random(5);
    if (choice <= 1 && from < bytes.length) bytes[from] = random(256);
    else if (choice === 2) bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    else if (choice === 3) bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
    else {
      const nasty = Buffer.from(NASTY[random(NASTY.length)] ?? '', 'latin1');
      bytes = Buffer.concat([bytes.subarray(0, from), nasty, bytes.subarray(from)]);
    }
  }
  return bytes;
}

test(`of ${ROUNDS} damaged beacons none is believed`, () => {
  const key = beaconKey(Buffer.alloc(32, 1));
  const bytes = encodeBeacon(
    { id: identityOf(1).id, instance: 'ab'.repeat(8), peerPort: 7947, gossipPort: 7946, genesis: 'a-b-c' },
    key,
  );
  const text = Buffer.from(beaconText(bytes).join('\n'));
  const random = randomFrom(1).below;
  for (let round = 0; round < ROUNDS; round += 1) {
    const damaged = mutate(bytes, random);
    if (!damaged.equals(bytes))
      assert.equal(decodeBeacon(damaged, [key])?.beacon, undefined, `round ${round}`);
    const read = beaconFromText(mutate(text, random).toString('latin1').split('\n'));
    assert.ok(read === undefined || read.length < 255, `round ${round}`);
  }
});

test(`of ${ROUNDS} damaged cards none is believed, by its MAC or without one`, () => {
  const signed = signedOf(1);
  const bytes = Buffer.from(JSON.stringify(signed));
  const keys = [keyOf(1).card];
  const random = randomFrom(2).below;
  for (let round = 0; round < ROUNDS; round += 1) {
    let value: unknown;
    try {
      value = JSON.parse(mutate(bytes, random).toString('latin1'));
    } catch {
      value = { ...signed, body: mutate(Buffer.from(signed.body), random).toString('latin1') };
    }
    const { known, refused } = verifyCard(value, { keys, range: RANGE });
    if (refused) assert.ok(refused.reason.length < 120, `round ${round}`);
    // The base64 may be spelt in another way; what it says is the same.
    else assert.equal(known.card.id, identityOf(1).id, `round ${round}`);
  }
});

test(`${ROUNDS} damaged card texts are each refused with a short reason, or are still a card`, () => {
  const bytes = Buffer.from(JSON.stringify(cardOf(identityOf(1))));
  const random = randomFrom(3).below;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const parsed = parseCard(mutate(bytes, random), RANGE);
    if (parsed.refused) {
      assert.ok(parsed.refused.reason.length < 120, `round ${round}`);
      refused += 1;
    } else assert.ok(parsed.card.meshAddress.startsWith('10.42.'), `round ${round}`);
  }
  assert.ok(refused > ROUNDS * 0.5, `${refused} were refused`);
});

test(`${ROUNDS} damaged requests and answers are each refused, or have our form`, () => {
  const standing = { instance: 'ab'.repeat(8), memberMs: 5, duplicate: false };
  const said = introduce(identityOf(1), signedOf(1), standing, 'client', Buffer.alloc(32));
  const request = encodeRequest({ ...said, kind: 'card', body: { digest: 'ab', after: 'x' } });
  const answer = encodeAnswer({ ...said, answer: { cards: [signedOf(2)], next: 'x' } });
  const random = randomFrom(4).below;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const asked = decodeRequest(mutate(request, random));
    if (asked === undefined) refused += 1;
    else {
      assert.match(asked.kind, /^[a-z-]+$/, `round ${round}`);
      exchangeSchema.safeParse(asked.body);
    }
    const told = decodeAnswer(mutate(answer, random));
    if (told !== undefined && 'answer' in told) pageSchema.safeParse(told.answer);
  }
  assert.ok(refused > ROUNDS * 0.3, `${refused} were refused`);
});
