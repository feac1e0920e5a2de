import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeKey, readKey } from './cluster-key.ts';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7 + 1));
const TEXT = KEY.toString('base64');

test('a key is read with the line ends and the byte order mark that editors add', () => {
  for (const text of [TEXT, `${TEXT}\n`, `${TEXT}\r\n`, ` ${TEXT} `, `\ufeff${TEXT}\n`]) {
    assert.deepEqual(readKey(Buffer.from(text)).key, KEY, JSON.stringify(text));
    assert.deepEqual(readKey(text).key, KEY, JSON.stringify(text));
  }
});

const WRONG = [
  ['', /empty/],
  ['   \n', /empty/],
  [KEY.toString('hex'), /hexadecimal/],
  ['not a key!', /not base64/],
  [KEY.subarray(1).toString('base64'), /31 bytes/],
  [Buffer.concat([KEY, KEY]).toString('base64'), /64 bytes/],
  [TEXT.slice(0, -1), /canonical/],
  [Buffer.alloc(32).toString('base64'), /zero/],
  [`${TEXT}\n${TEXT}`, /not base64/],
] as const;

for (const [text, reason] of WRONG) {
  test(`a key that is wrong in the way of ${reason} is refused, without being shown`, () => {
    const reading = readKey(text);
    assert.equal(reading.key, undefined);
    assert.match(reading.reason, reason);
    assert.ok(text.trim() === '' || !reading.reason.includes(text.trim().slice(0, 10)));
  });
}

test('a node takes its first key, knows it again, and refuses another', () => {
  assert.deepEqual(judgeKey(undefined, { key: KEY }), { outcome: 'taken', key: KEY });
  assert.deepEqual(judgeKey(KEY, { key: Buffer.from(KEY) }), { outcome: 'held' });
  const verdict = judgeKey(KEY, { key: Buffer.alloc(32, 9) });
  assert.equal(verdict.outcome, 'refused');
  assert.match(JSON.stringify(verdict), /another cluster's key \([0-9a-f]{8}\); this node holds [0-9a-f]{8}/);
});
