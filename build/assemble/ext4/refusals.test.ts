import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EPOCH, file, folder, node, symlink } from '../testing/images.ts';
import type { Tree, TreeNode } from '../tree/node.ts';
import { FileSystemFull } from './allocate.ts';
import { buildExt4 } from './build.ts';

const MIB = 2 ** 20;

function build(entries: readonly (readonly [string, TreeNode])[], size = 64 * MIB) {
  const tree: Tree = new Map([['', folder()], ...entries]);
  return buildExt4(tree, { size, uuid: Buffer.alloc(16, 7), label: 'root', epoch: EPOCH });
}

for (const [what, path_, entry] of [
  ['a name of 256 bytes', 'n'.repeat(256), file('')],
  ['a name with a NUL', 'a\0b', file('')],
  ['a link of 4096 bytes', 'l', symlink('t'.repeat(4096))],
  ['a link to nothing', 'l', symlink('')],
  ['an owner above 32 bits', 'f', file('', { uid: 2 ** 32 })],
  ['a time beyond the 34 bits', 'f', file('', { mtime: 2 ** 34 })],
  ['a device number above 12 bits', 'd', node('block', { major: 4096, minor: 0 })],
  ['attributes larger than the inode', 'f', file('', { xattrs: new Map([['user.x', Buffer.alloc(80)]]) })],
  ['an attribute of an unknown family', 'f', file('', { xattrs: new Map([['system.x', Buffer.alloc(1)]]) })],
  ['a root that is a file', '', file('')],
  ['a file without its folder', 'lost/f', file('')],
] as const) {
  test(`${what} is refused, and not as a full disk`, () => {
    assert.throws(
      () => build([[path_, entry]]),
      (error) => error instanceof Error && !(error instanceof RangeError),
    );
  });
}

test('a folder under two names is refused', () => {
  const one = folder();
  assert.throws(
    () =>
      build([
        ['a', one],
        ['b', one],
      ]),
    /hard link to a folder/,
  );
});

test('too much data and too many files are a full file system', () => {
  assert.throws(() => build([['f', node('file', { size: 64 * MIB })]]), FileSystemFull);
  const many = Array.from({ length: 8192 }, (_, index) => [`f${index}`, file('')] as const);
  assert.throws(() => build(many), FileSystemFull);
  assert.throws(() => build([], 4 * MIB), FileSystemFull);
});
