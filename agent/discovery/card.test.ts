import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KnownCard } from '../engine/resources.ts';
import { makeCard, renewMac, verifyCard } from './card.ts';
import { digestOf, learn, MOST_CARDS, pageOf, without } from './known-cards.ts';
import { nextCard } from './own-card.ts';
import { cardOf, identityOf, keyOf, RANGE, signedOf } from './testing/peers.ts';

const rules = { keys: [keyOf(1).card], range: RANGE };
const believed = (byte: number, sequence: number, name = 'alpha') => {
  const { known } = verifyCard(signedOf(byte, { sequence, name }), rules);
  assert.ok(known);
  return known;
};
const codeOf = (value: unknown, own = rules) => verifyCard(value, own).refused?.code;

test('a card is believed as it was signed', () => {
  const { known } = verifyCard(signedOf(1), rules);
  assert.deepEqual(known?.card, cardOf(identityOf(1)));
  assert.match(known?.hash ?? '', /^[0-9a-f]{16}$/);
});

test('a full table takes who proves itself in the place of the longest silent one, and nobody else', () => {
  const full = new Map(
    Array.from({ length: MOST_CARDS }, (_, n): [string, KnownCard] => [
      `id${n}`,
      { ...believed(2, 1), address: undefined, provenMs: n === 7 ? undefined : 1_000 + n },
    ]),
  );
  const { id } = identityOf(1);
  assert.equal(learn(full, believed(1, 1), undefined), full);
  const after = learn(full, believed(1, 1), { address: '192.168.1.5', nowMs: 9_000 });
  assert.deepEqual([after.size, after.has(id), after.has('id7')], [MOST_CARDS, true, false]);
  const [second] = [learn(after, believed(3, 1), { address: '192.168.1.6', nowMs: 9_001 })];
  assert.deepEqual([second?.has('id0'), second?.has(id)], [false, true]);
});

test('a card by another cluster key is foreign, unless it comes from etcd', () => {
  const foreign = signedOf(1, {}, keyOf(2));
  assert.equal(codeOf(foreign), 'foreign');
  assert.equal(verifyCard(foreign, { keys: 'trusted', range: RANGE }).known?.card.id, identityOf(1).id);
  assert.equal(codeOf(renewMac(foreign, keyOf(1).card)), undefined);
});

test('a member of the cluster cannot sign for another identity', () => {
  const forged = makeCard(cardOf(identityOf(1)), identityOf(2), keyOf(1).card);
  assert.equal(codeOf(forged), 'altered');
});

test('impossible values are refused one by one', () => {
  for (const [changes, code] of [
    [{ name: 'No Label' }, 'malformed'],
    [{ sequence: 0 }, 'malformed'],
    [{ meshAddress: '10.43.0.1' }, 'impossible'],
    [{ addresses: ['127.0.0.1'] }, 'impossible'],
    [{ addresses: ['::1'] }, 'impossible'],
    [{ addresses: ['fe80::1'] }, 'impossible'],
    [{ addresses: ['::ffff:127.0.0.1'] }, 'impossible'],
    [{ addresses: ['224.0.0.1'] }, 'impossible'],
    [{ addresses: ['example'] }, 'impossible'],
    [{ meshKey: 'x'.repeat(44) }, 'impossible'],
    [{ ofANewerAgent: true } as object, undefined],
    [{ name: 'x'.repeat(5_000) }, 'oversized'],
  ] as const) {
    assert.equal(codeOf(signedOf(1, changes as object)), code, JSON.stringify(changes).slice(0, 60));
  }
});

test('the greatest sequence wins; a late copy changes nothing, a proven one counts as presence', () => {
  let table = learn(new Map(), believed(1, 5), undefined);
  const same = table;
  table = learn(table, believed(1, 4), undefined);
  assert.equal(table, same);
  table = learn(table, believed(1, 4), { address: '192.168.1.5', nowMs: 7 });
  const known = table.get(identityOf(1).id);
  assert.deepEqual([known?.card.sequence, known?.provenMs, known?.address], [5, 7, '192.168.1.5']);
  table = learn(table, believed(1, 6), undefined);
  assert.equal(table.get(identityOf(1).id)?.card.sequence, 6);
  assert.equal(table.get(identityOf(1).id)?.provenMs, 7);
});

test('of two relayed cards with one sequence all nodes choose the same', () => {
  const [x, y] = [believed(1, 5, 'x'), believed(1, 5, 'y')];
  const winner = (first: typeof x, second: typeof x) =>
    learn(learn(new Map(), first, undefined), second, undefined).get(identityOf(1).id)?.hash;
  assert.equal(winner(x, y), winner(y, x));
});

test('many cards come in pages, each once, and one’s own only when it is newer', () => {
  const table = new Map<string, KnownCard>();
  const sample = believed(1, 5);
  for (let n = 0; n < 150; n += 1) table.set(`n${String(n).padStart(3, '0')}`, sample);
  const seen: number[] = [];
  let after: string | undefined;
  for (let page = 0; page < 20; page += 1) {
    const got = pageOf(table, { id: 'n007', sequence: 5 }, after, keyOf(1).card);
    assert.ok(JSON.stringify(got).length < 60_000);
    seen.push(got.cards.length);
    after = got.next;
    if (after === undefined) break;
  }
  assert.equal(
    seen.reduce((sum, count) => sum + count, 0),
    149,
  );
  assert.equal(
    pageOf(new Map([['n007', sample]]), { id: 'n007', sequence: 4 }, undefined, keyOf(1).card).cards.length,
    1,
  );
  assert.equal(without(table, new Set(['n001'])).size, 149);
  assert.equal(digestOf(['b', 'a']), digestOf(['a', 'b']));
});

test('an own card gets the next sequence only when it says something new', () => {
  const { sequence: _, ...content } = cardOf(identityOf(1));
  const first = nextCard(undefined, content, 0);
  assert.equal(first.sequence, 1);
  assert.equal(nextCard(first, { ...content, genesis: content.genesis }, 0), first);
  assert.equal(nextCard(first, { ...content, name: 'beta' }, 0).sequence, 2);
});

test('after a restored backup the sequence goes on from what others have seen', () => {
  const { sequence: _, ...content } = cardOf(identityOf(1));
  const restored = { ...content, sequence: 3 };
  assert.equal(nextCard(restored, content, 9).sequence, 10);
  assert.equal(nextCard({ ...restored, id: identityOf(2).id }, content, 0).sequence, 1);
});
