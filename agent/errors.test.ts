import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError, expected, isExpected } from './errors.ts';

const refused = new AgentError({ code: 'etcd.unreachable', exit: 'notRunning', message: 'nobody there' });

test('an expected failure is nothing, and whatever else it is goes on', async () => {
  const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' });
  for (const error of [refused, missing]) assert.equal(expected(error, 'etcd.', 'ENOENT'), undefined);
  assert.ok(isExpected(refused, 'etcd.unreachable'));
  const others = [
    missing,
    new TypeError('not a function'),
    new DOMException('', 'AbortError'),
    'a text',
    undefined,
  ];
  for (const error of others) assert.ok(!isExpected(error, 'etcd.'), String(error));
  assert.ok(!isExpected(refused, 'etcd', 'etcd.unreachable.', 'unreachable'));
  await assert.rejects(
    Promise.reject(missing).catch((error) => expected(error, 'etcd.')),
    { code: 'ENOENT' },
  );
});
