import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arHeader, arMembers } from './ar.ts';

const archive = Buffer.concat([
  Buffer.from('!<arch>\n'),
  arHeader('debian-binary', 4),
  Buffer.from('2.0\n'),
  arHeader('odd', 3),
  Buffer.from('abc\n'),
  arHeader('data.tar.xz', 2),
  Buffer.from('hi'),
]);

test('an archive is read back member by member, odd lengths padded', () => {
  const members = arMembers(archive);
  assert.deepEqual(
    members.map(({ name, size }) => [name, size]),
    [
      ['debian-binary', 4],
      ['odd', 3],
      ['data.tar.xz', 2],
    ],
  );
  const last = members.at(-1);
  assert.equal(archive.toString('latin1', last?.start, (last?.start ?? 0) + (last?.size ?? 0)), 'hi');
});

test('something else, or the first half of an archive, is refused', () => {
  assert.throws(() => arMembers(Buffer.from('PK\x03\x04 and more')), /not an ar archive/);
  assert.throws(() => arMembers(archive.subarray(0, archive.length - 1)), /damaged/);
  assert.throws(() => arMembers(archive.subarray(0, 90)), /damaged/);
});
