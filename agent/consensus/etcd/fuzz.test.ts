import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howMany } from '../../../test/depth.ts';
import { createSplitter, LineTooLong } from '../../host/line-splitter.ts';
import { randomFrom } from '../../testing/random.ts';
import * as answers from './answers.ts';
import { refusalOf } from './refusals.ts';
import { endOfPrefix } from './requests.ts';
import { EtcdError } from './types.ts';
import { newsAfter } from './watch.ts';

const ROUNDS = howMany(10_000, 100_000, '100,000 fuzz rounds of answers of etcd', 1);

const HEADER =
  '"header":{"cluster_id":"14841639068965178418","member_id":"1","revision":"8","raft_term":"2"}';
const KV = '{"key":"Zm9v","create_revision":"2","mod_revision":"7","version":"1","value":"YmFy","lease":"5"}';
const SAMPLES = [
  `{${HEADER},"kvs":[${KV},${KV}],"count":"2","more":true}`,
  `{${HEADER},"succeeded":true,"responses":[{"response_put":{${HEADER}}},{"response_range":{"kvs":[${KV}]}}]}`,
  `{"result":{${HEADER},"created":true,"events":[{"type":"DELETE","kv":${KV}},{"kv":${KV}}]}}`,
  `{"result":{${HEADER},"canceled":true,"compact_revision":"9","cancel_reason":"mvcc"}}`,
  `{${HEADER},"members":[{"ID":"3","name":"m","peerURLs":["https://a:1"],"clientURLs":[],"isLearner":true}]}`,
  `{${HEADER},"version":"3.4.23","dbSize":"20480","leader":"3","raftIndex":"9","errors":["no leader"]}`,
  '{"alarms":[{"memberID":"3","alarm":"NOSPACE"}]}',
  '{"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14}',
  `{"result":{${HEADER},"remaining_bytes":"3","blob":"AAEC"}}`,
  `{${HEADER},"ID":"7587","TTL":"10"}`,
];
const NASTY = [
  'null',
  '-1',
  '1e999',
  '"__proto__"',
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\u0000',
  '=',
  ',',
  ':',
  '\n',
  '\xff',
  '"99999999999999999999999"',
  '[[[[[[',
  'true',
  '{"constructor":1}',
  '"hasOwnProperty"',
];

function mutate(text: string, random: (below: number) => number): string {
  let result = text;
  for (let left = 1 + random(4); left > 0; left -= 1) {
    const [from = 0, to = 0] = [random(result.length + 1), random(result.length + 1)].sort((a, b) => a - b);
    const nasty = NASTY[random(NASTY.length)] ?? '';
    const choice = random(4);
    if (choice === 0) result = result.slice(0, from) + result.slice(to);
    else if (choice === 1) result = result.slice(0, to) + result.slice(from);
    else if (choice === 2) result = result.slice(0, from) + nasty + result.slice(from);
    // A whole value in place of another keeps it JSON.
    else
      result = result.replace(/:("[^"]*"|true|\[[^\]]*\])/g, (whole) =>
        random(4) === 0 ? `:${nasty}` : whole,
      );
  }
  return result;
}

const PARSERS: readonly ((fields: answers.Fields) => unknown)[] = [
  answers.rangeOf,
  answers.newestIn,
  answers.deletedOf,
  answers.leaseOf,
  answers.membersOf,
  answers.addedOf,
  answers.statusOf,
  answers.alarmsOf,
  answers.watchOf,
  answers.blobOf,
  (fields) => answers.watchOf(answers.resultOf(fields)),
  (fields) =>
    answers.txnOf(fields, {
      success: [
        { kind: 'put', key: 'a', value: 'b' },
        { kind: 'range', key: 'a' },
      ],
      failure: [],
    }),
];

test(`${ROUNDS} damaged answers are each refused as bad, or have the promised form`, () => {
  const random = randomFrom(1).below;
  let [refused, taken] = [0, 0];
  for (let round = 0; round < ROUNDS; round += 1) {
    const text = mutate(SAMPLES[round % SAMPLES.length] ?? '', random);
    const parser = PARSERS[random(PARSERS.length)] ?? answers.rangeOf;
    try {
      check(parser(answers.parseAnswer(text)));
      taken += 1;
    } catch (error) {
      assert.ok(error instanceof answers.BadAnswer, `round ${round}: ${error}\n${text}`);
      refused += 1;
    }
    const refusal = refusalOf(500, text, 'e');
    assert.ok(refusal instanceof EtcdError && (refusal.evidence ?? '').length < 400);
  }
  assert.ok(refused > ROUNDS / 20 && taken > ROUNDS / 20, `${refused} refused, ${taken} taken`);
});

/** Nothing in a result may be what the types do not say. */
function check(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) check(item);
  else if (Buffer.isBuffer(value)) return;
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) check(item);
  else assert.ok(['string', 'boolean', 'number', 'bigint'].includes(typeof value), typeof value);
  if (typeof value === 'number') assert.ok(Number.isSafeInteger(value));
}

test(`${ROUNDS} streams cut at any place give the same lines, and an endless line is refused`, () => {
  const random = randomFrom(2).below;
  for (let round = 0; round < ROUNDS; round += 1) {
    const lines = Array.from({ length: random(4) }, () => 'ä'.repeat(random(9)));
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    const limit = 1 + random(24);
    const splitter = createSplitter(limit);
    const found: string[] = [];
    const longest = Math.max(0, ...lines.map((line) => Buffer.byteLength(line)));
    try {
      for (let at = 0; at < bytes.length; ) {
        const step = 1 + random(7);
        found.push(...splitter.push(bytes.subarray(at, at + step)));
        at += step;
      }
    } catch (error) {
      assert.ok(error instanceof LineTooLong && longest > limit, `round ${round}`);
      continue;
    }
    assert.ok(longest <= limit, `round ${round}`);
    assert.deepEqual(found, lines);
    assert.equal(splitter.rest(), '');
  }
});

test('the end of a prefix lies behind all keys with it', () => {
  assert.equal(Buffer.from(endOfPrefix('a/'), 'base64').toString('latin1'), 'a0');
  assert.deepEqual([...Buffer.from(endOfPrefix('é'), 'base64')], [0xc3, 0xaa]);
  assert.deepEqual([...Buffer.from(endOfPrefix(''), 'base64')], [0]);
});

test('an event is seen once, and only an answer without events speaks for the whole store', () => {
  const event = (modRevision: string) => ({
    type: 'put' as const,
    kv: { key: 'k', value: 'v', createRevision: '1', modRevision, version: '1', lease: '0' },
  });
  const some = newsAfter(5n, [event('5'), event('6'), event('6')], '90');
  assert.deepEqual([some.seen, some.news.length], [6n, 2]);
  assert.deepEqual(newsAfter(5n, [], '90'), { seen: 90n, news: [] });
  assert.deepEqual(newsAfter(5n, [], '4'), { seen: 5n, news: [] });
});
