import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { makeSandbox } from '../testing/sandbox.ts';
import { setAside } from './data.ts';

test('data that may be the only copy is never removed, and of other copies the log tells', async (t) => {
  const { paths, put } = makeSandbox(t);
  const told: unknown[] = [];
  const log = { warning: (_event: string, about?: unknown) => told.push(about) };
  const aside = async (copied?: typeof log) => {
    put('state/etcd/member', 'data');
    return setAside(paths.state, copied);
  };
  for (let round = 0; round < 6; round += 1) await aside();
  const copies: (string | undefined)[] = [];
  for (let round = 0; round < 3; round += 1) copies.push(await aside(log));
  assert.deepEqual(told, []);
  await aside(log);
  assert.deepEqual(told, [{ folder: copies[0] }]);
  const names = readdirSync(paths.state).filter((name) => name.startsWith('etcd.aside-'));
  assert.deepEqual([names.length, names.filter((name) => name.endsWith('-copied')).length], [9, 3]);
  assert.equal(await setAside(paths.state), undefined);
});
