import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  call,
  EPOCH,
  file,
  folder,
  freshFolder,
  needs,
  node,
  output,
  symlink,
  writeRaw,
} from '../testing/images.ts';
import type { Tree, TreeNode } from '../tree/node.ts';
import { buildExt4 } from './build.ts';
import { BLOCK_SIZE, BLOCKS_PER_GROUP, geometryOf, groupLayout } from './geometry.ts';

/** Files over many groups, sizes around the ends of groups, and what the kernel itself says. */

const MIB = 2 ** 20;
const GROUP = BLOCKS_PER_GROUP * BLOCK_SIZE;
const TOOLS = needs('e2fsck', 'debugfs');

async function cleanImage(t: TestContext, entries: [string, TreeNode][], size: number): Promise<string> {
  const tree: Tree = new Map([['', folder()], ...entries]);
  const image = buildExt4(tree, { size, uuid: Buffer.alloc(16, 7), label: 'large', epoch: EPOCH });
  const target = await writeRaw(image, path.join(freshFolder(t), 'root.raw'));
  const { status, stdout, stderr } = call(['e2fsck', '-fn', target]);
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.equal(stdout.trim().split('\n').length, 6, stdout);
  return target;
}

/** An open sparse file with some bytes here and there. */
async function sparseFile(t: TestContext, size: number): Promise<fs.FileHandle> {
  const handle = await fs.open(path.join(freshFolder(t), 'sparse'), 'w+');
  t.after(() => handle.close());
  await handle.truncate(size);
  for (let at = 0; at < size; at += 37 * MIB) await handle.write(`at ${at}`, at);
  return handle;
}

test('a file over five groups keeps its list of extents in a block of its own', TOOLS, async (t) => {
  const size = 600 * MIB + 1;
  const handle = await sparseFile(t, size + 100);
  const entries: [string, TreeNode][] = [
    ['one-block', file('before')],
    // Not from its first byte: a tar file holds its members somewhere inside.
    ['big', node('file', { size, source: { handle, position: 100 } })],
    ['after', file('after')],
  ];
  const image = await cleanImage(t, entries, 1024 * MIB);
  const extents = output(['debugfs', '-R', 'dump_extents /big', image]).trim().split('\n').slice(1);
  assert.ok(extents.length > 5, extents.join('\n'));
  assert.match(extents[0] ?? '', /^ *0\/ *1 /);
  const content = path.join(path.dirname(image), 'big');
  output(['debugfs', '-R', `dump /big ${content}`, image]);
  assert.equal(statSync(content).size, size);
  const sparse = await fs.readlink(`/proc/self/fd/${handle.fd}`);
  output(['cmp', '--ignore-initial=0:100', `--bytes=${size}`, content, sparse]);
  assert.equal(output(['debugfs', '-R', 'cat /after', image]), 'after');
});

for (const [what, size] of [
  ['one group less a block', GROUP - BLOCK_SIZE],
  ['exactly one group', GROUP],
  ['one group and a few bytes', GROUP + 4000],
  ['one group and a tail without room for its metadata', GROUP + 500 * BLOCK_SIZE],
  ['one group and a tail that holds its metadata and some data', GROUP + 600 * BLOCK_SIZE],
  ['two groups less a block', 2 * GROUP - BLOCK_SIZE],
  ['ten groups and one MiB', 10 * GROUP + MIB],
  ['26 groups: copies of the superblock in 0, 1, 3, 5, 7, 9 and 25', 26 * GROUP],
] as const) {
  test(`a size of ${what} makes a clean file system`, TOOLS, async (t) => {
    // Nearly full: what is left holds the journal and each group's metadata. Without a source it reads as zeros.
    const fill = node('file', { size: Math.floor((size - 70 * MIB) * 0.98) });
    await cleanImage(t, [['fill', fill]], size);
  });
}

// The copies of the descriptors in the groups of powers of 3, 5 and 7 take 103 blocks of group 6,561.
test('no size leaves a last group too short for its own metadata', () => {
  for (const groups of [1, 63, 64, 65, 1000, 3000, 3 ** 8, 5 ** 6, 100_000]) {
    for (let tail = 0; tail < 6000; tail += 7) {
      const geometry = geometryOf((groups * BLOCKS_PER_GROUP + tail) * BLOCK_SIZE);
      const last = groupLayout(geometry, geometry.groupCount - 1);
      assert.ok(last.firstData < last.first + last.blocks, `${groups} groups and ${tail} blocks`);
    }
  }
});

test('a disk of 125 GiB is no harder than one of 2 GiB', TOOLS, async (t) => {
  await cleanImage(t, [['f', file('x')]], 1000 * GROUP + 577 * BLOCK_SIZE);
});

test('the kernel mounts it and sees what the tree says', { skip: await whyNoMount() }, async (t) => {
  const device = node('character', { mode: 0o620, gid: 5, major: 300, minor: 300 });
  const shared = file('shared');
  const image = await cleanImage(
    t,
    [
      ['etc', folder({ mode: 0o750, uid: 70_000, gid: 80_000 })],
      ['etc/file', file('x'.repeat(5000), { mode: 0o4711, uid: 1, gid: 2, mtime: 2 ** 32 + 9 })],
      ['etc/again', shared],
      ['shared', shared],
      ['link', symlink('etc/file')],
      ['long', symlink('t'.repeat(300))],
      ['dev', device],
      ['cap', file('x', { xattrs: new Map([['user.note', Buffer.from('hello')]]) })],
    ],
    128 * MIB,
  );
  const mount = path.join(path.dirname(image), 'mount');
  mkdirSync(mount);
  output(['mount', '-o', 'loop,ro', image, mount]);
  try {
    const seen = (name: string) =>
      output(['stat', '--format=%f %u %g %s %h %Y %t:%T', path.join(mount, name)]).trim();
    assert.equal(seen('etc'), `41e8 70000 80000 4096 2 ${EPOCH} 0:0`);
    assert.equal(seen('etc/file'), `89c9 1 2 5000 1 ${2 ** 32 + 9} 0:0`);
    assert.equal(seen('shared'), `81a4 0 0 6 2 ${EPOCH} 0:0`);
    assert.equal(seen('dev'), `2190 0 5 0 1 ${EPOCH} 12c:12c`);
    assert.equal(await fs.readFile(path.join(mount, 'etc/file'), 'utf8'), 'x'.repeat(5000));
    assert.equal(await fs.readlink(path.join(mount, 'long')), 't'.repeat(300));
    assert.equal(await fs.readFile(path.join(mount, 'link'), 'utf8'), 'x'.repeat(5000));
    assert.deepEqual((await fs.readdir(mount)).sort(), [
      'cap',
      'dev',
      'etc',
      'link',
      'long',
      'lost+found',
      'shared',
    ]);
    const read = 'import os,sys; print(os.getxattr(sys.argv[1], "user.note").decode())';
    assert.equal(output(['python3', '-c', read, path.join(mount, 'cap')]), 'hello\n');
  } finally {
    output(['umount', mount]);
  }
});

/** Only root with loop devices can mount; a container often has neither. */
async function whyNoMount(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'only root can mount';
  const { skip } = needs('e2fsck', 'debugfs', 'mount', 'umount', 'losetup', 'python3');
  if (skip) return skip;
  return call(['losetup', '-f']).status === 0 ? false : 'no loop device is free';
}
