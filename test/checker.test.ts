import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, type Stored } from './cluster/checker-report.ts';

const JOURNAL = [
  'try 0 a',
  'ok 0 a',
  'try 1 b',
  'unknown 1 b etcd.timeout',
  'try 2 c',
  'refused 2 c x',
  'try 3 d',
];

function judged(stored: Record<string, Stored>) {
  return judge(new Map([['/k/', JOURNAL.join('\n')]]), new Map(Object.entries(stored)));
}

test('an acknowledged write that is there once is no fault, and one of unknown outcome may be there or not', () => {
  assert.deepEqual(judged({ '/k/0': { value: 'a', version: '1' } }), {
    acknowledged: 1,
    unknown: 2,
    unknownThere: 0,
    refused: 1,
    faults: [],
  });
  const more = judged({ '/k/0': { value: 'a', version: '1' }, '/k/3': { value: 'd', version: '1' } });
  assert.deepEqual([more.unknownThere, more.faults], [1, []]);
});

test('a write that is lost, changed, repeated, refused and there, or of nobody, is a fault', () => {
  assert.deepEqual(judged({}).faults, ['/k/0 was acknowledged and is lost']);
  assert.deepEqual(
    judged({
      '/k/0': { value: 'b', version: '2' },
      '/k/2': { value: 'c', version: '1' },
      '/k/9': { value: 'z', version: '1' },
    }).faults,
    [
      '/k/0 was written as a and is b',
      '/k/0 was written once and has the version 2',
      '/k/2 was refused and is there',
      '/k/9 is there and nobody wrote it',
    ],
  );
});
