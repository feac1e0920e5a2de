import assert from 'node:assert/strict';
import { test } from 'node:test';
import { files } from '../host.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { createLastVoters, nextVoters } from './last-voters.ts';

test('a node that wakes believes no new voters unless a majority of those it knew is here', async (t) => {
  const { paths } = makeSandbox(t);
  await files.makeFolder(paths.state, 0o700);
  const before = createLastVoters(paths.state, () => 'me');
  assert.deepEqual(await before.now(), []);
  await before.note(['c', 'a', 'b'], new Set());
  assert.deepEqual(await before.now(), ['a', 'b', 'c'], 'a node that has just joined knows nobody better');

  // It slept; an evicted machine with its key plays a cluster of its own.
  const woken = createLastVoters(paths.state, () => 'me');
  await woken.note(['evil', 'x', 'y'], new Set(['evil', 'x', 'y', 'a']));
  assert.deepEqual(await woken.now(), ['a', 'b', 'c']);
  await woken.note(['a', 'b', 'd'], new Set(['a', 'b', 'd']));
  assert.deepEqual(await woken.now(), ['a', 'b', 'd']);
});

test('a voter counts itself among those that are here; no voters are no news', () => {
  assert.deepEqual(nextVoters(['a', 'b', 'me'], ['a', 'me', 'z'], new Set(['a']), 'me'), ['a', 'me', 'z']);
  assert.equal(nextVoters(['a', 'b', 'me'], ['a', 'me', 'z'], new Set(), 'me'), undefined);
  assert.equal(nextVoters(['a'], [], new Set(['a']), 'me'), undefined);
});

test('a damaged record knows nobody', async (t) => {
  const { paths, put } = makeSandbox(t);
  put('state/last-voters.json', '{"version":1,"voters":[');
  assert.deepEqual(await createLastVoters(paths.state, () => 'me').now(), []);
});
