import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, sameAddress, sameNetwork } from './addresses.ts';

test('addresses are understood in every spelling, and nothing else is', () => {
  assert.deepEqual(parseIp('10.0.0.255'), { family: 'IPv4', value: 0x0a0000ffn });
  assert.deepEqual(parseIp('::1'), { family: 'IPv6', value: 1n });
  assert.deepEqual(parseIp('::'), { family: 'IPv6', value: 0n });
  assert.equal(parseIp('fd00::a:0:1')?.value, 0xfd000000000000000000000a00000001n);
  assert.ok(sameAddress('FD00:0:0:0:0:0:0:1', 'fd00::1'));
  assert.ok(!sameAddress('10.0.0.1', '10.0.0.2'));
  for (const text of ['', 'x', '10.0.0', '10.0.0.256', 'fe80::1%eth0', ':', '1:2', 'fd00::1::2', 'a.b.c.d']) {
    assert.equal(parseIp(text), undefined, text);
  }
});

test('networks are compared by their bits', () => {
  assert.ok(sameNetwork('10.0.1.1', '10.0.0.1', 23));
  assert.ok(!sameNetwork('10.0.1.1', '10.0.0.1', 24));
  assert.ok(sameNetwork('fd00::1', 'fd00::ffff:1', 64));
  assert.ok(!sameNetwork('fd00::1', '10.0.0.1', 0));
  assert.ok(sameNetwork('1.2.3.4', '9.9.9.9', 0));
});
