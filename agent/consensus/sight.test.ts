import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Contact } from '../engine/resources.ts';
import { planGenesis } from './genesis.ts';
import { createObserver } from './sight.ts';

const SETTINGS = { consensus: { bootstrap: false }, discovery: { join: [] } } as never;
const heard: Contact = { address: '10.0.0.2', peerPort: 7947, via: 'beacon', id: 'other', heardMs: 0 };

/** What a node without an expected size decides at the last of these moments. */
function decide(momentsMs: readonly number[], contact?: Contact) {
  const observer = createObserver(0);
  const looks = momentsMs.map((nowMs) => {
    const contacts = contact === undefined ? [] : [{ ...contact, heardMs: nowMs }];
    return observer.look({ self: 'me', nowMs, settings: SETTINGS, cards: [], contacts, evicted: [] });
  });
  const last = looks.at(-1);
  return last && planGenesis({}, last, '', 0).kind;
}

const everyHalfSecond = (untilMs: number) => Array.from({ length: untilMs / 500 }, (_, at) => (at + 1) * 500);

test('a node that has looked for twelve seconds and heard nobody begins alone', () => {
  assert.equal(decide(everyHalfSecond(11_500)), 'wait');
  assert.equal(decide(everyHalfSecond(12_500)), 'found');
});

test('time in which a machine was too busy to look is no time of looking', () => {
  assert.equal(decide([500, 1_000, 20_000, 40_000]), 'wait');
});

test('a node that hears another call does not begin alone until that one had a minute to prove itself', () => {
  assert.equal(decide(everyHalfSecond(30_000), heard), 'wait');
  assert.equal(decide(everyHalfSecond(61_000), heard), 'found');
  assert.equal(decide(everyHalfSecond(30_000), { ...heard, id: 'me' }), 'found', 'our own voice');
});
