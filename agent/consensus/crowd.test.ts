import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identityFromSeed } from '../identity/identity.ts';
import { signBirth, uuidOf } from './birth.ts';
import { createKeeper, type Durable } from './durable.ts';
import { createFounding } from './founding.ts';
import { answerPromise, countPromises, mayVote, type PromiseAnswer } from './genesis.ts';
import { sightOf } from './testing/sight.ts';

const identityOf = (byte: number) => identityFromSeed(Buffer.alloc(32, byte), new Date(0));
const SELF = identityOf(1);
const [OTHER, THIRD, FOURTH] = [2, 3, 4].map((byte) => identityOf(byte).id) as [string, string, string];
const ROUND_ONE = uuidOf(1, 'aaaaaaaa-0000-4000-8000-000000000000');
const PROMISE = { round: 1, founder: OTHER, uuid: ROUND_ONE, expect: 3 };
const GENESIS = signBirth(identityOf(2), { uuid: ROUND_ONE, expect: 3 });

const sight = (known: readonly string[]) => sightOf(SELF.id, { present: [OTHER, THIRD], known });
const THREE = sight([OTHER, THIRD]);
const FOUR = sight([OTHER, THIRD, FOURTH]);

test('whoever knows more machines than are expected gives no promise, now or after a cut, and says why', () => {
  const request = { promise: PROMISE, yielded: [] };
  assert.equal(answerPromise({}, THREE, OTHER, request).answer.accepted, true);
  const { answer, keep } = answerPromise({}, FOUR, OTHER, request);
  assert.deepEqual([answer.accepted, answer.crowd, keep], [false, 4, undefined]);
  assert.equal(answerPromise({ crowd: 4 }, THREE, OTHER, request).answer.crowd, 4);
});

test('it votes only for what it promised before it knew', () => {
  assert.equal(mayVote({}, GENESIS, THREE), true);
  assert.equal(mayVote({}, GENESIS, FOUR), false);
  assert.equal(mayVote({ promise: PROMISE }, GENESIS, FOUR), true);
});

test('one answer of somebody who knows more stops a proposal that a majority accepted', () => {
  const yes = { accepted: true };
  const asked = new Map<string, PromiseAnswer>([
    [OTHER, yes],
    [THIRD, yes],
  ]);
  assert.equal(countPromises(PROMISE, undefined, asked).agreed, true);
  const told = new Map(asked).set(FOURTH, { accepted: false, crowd: 4 });
  assert.equal(countPromises(PROMISE, undefined, told).agreed, false);
});

test('a founder that hears of one more while it asks does not begin', async () => {
  for (const grows of [false, true]) {
    let now = THREE;
    const keeper = createKeeper({} as Durable, async () => {});
    const founding = createFounding({
      self: SELF,
      keeper,
      sight: () => ({ ...now, present: [...now.present].filter((id) => id > SELF.id) }),
      call: async (_id, _kind, body) => {
        if (grows) now = FOUR;
        return { accepted: true, promise: (body as { promise: unknown }).promise };
      },
      randomUuid: () => 'bbbbbbbb-0000-4000-8000-000000000000',
      log: { info: () => {}, warning: () => {} },
    });
    await founding.pass({ hasData: false, empty: false });
    assert.equal(keeper.now().genesis === undefined, grows);
  }
});
