import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { randomFrom } from '../../../agent/testing/random.ts';
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

const MIB = 2 ** 20;
const UUID = Buffer.from('00112233445580678899aabbccddeeff', 'hex');
const TOOLS = needs('e2fsck', 'debugfs');

function build(entries: readonly (readonly [string, TreeNode])[], size = 64 * MIB) {
  const tree: Tree = new Map([['', folder()], ...entries]);
  return buildExt4(tree, { size, uuid: UUID, label: 'root', epoch: EPOCH });
}

/** The image as a file that e2fsck finds nothing wrong with. */
async function cleanImage(t: TestContext, ...args: Parameters<typeof build>): Promise<string> {
  const image = await writeRaw(build(...args), path.join(freshFolder(t), 'root.raw'));
  assertClean(image);
  return image;
}

function assertClean(image: string, what = ''): void {
  const { status, stdout, stderr } = call(['e2fsck', '-fn', image]);
  assert.equal(status, 0, `${what}\n${stdout}${stderr}`);
  // Five lines of passes and one summary: any other line is a remark.
  assert.equal(stdout.trim().split('\n').length, 6, `${what}\n${stdout}`);
}

const debugfs = (image: string, ...request: readonly string[]) =>
  output(['debugfs', '-R', request.join(' '), image]);

function status(image: string, name: string) {
  const text = debugfs(image, 'stat', `"${name}"`);
  const find = (pattern: RegExp) => pattern.exec(text)?.[1];
  return {
    type: find(/Type: (\w+)/),
    mode: find(/Mode: +(\d+)/),
    // debugfs shows the numbers as signed ones.
    owner: `${Number(find(/User: +(-?\d+)/)) >>> 0}:${Number(find(/Group: +(-?\d+)/)) >>> 0}`,
    size: Number(find(/Size: (\d+)/)),
    links: Number(find(/Links: (\d+)/)),
    mtime: find(/mtime: (0x[0-9a-f:]+)/),
    ctime: find(/ctime: (0x[0-9a-f:]+)/),
    text,
  };
}

test('an empty tree is a clean file system with its label, UUID and lost+found', TOOLS, async (t) => {
  const image = await cleanImage(t, []);
  const head = debugfs(image, 'show_super_stats', '-h');
  assert.match(head, /volume name: +root\n/);
  assert.match(head, /UUID: +00112233-4455-8067-8899-aabbccddeeff\n/);
  assert.match(head, /Filesystem created: +Tue Nov 14 22:13:20 2023/);
  assert.equal(status(image, '/lost+found').mode, '0700');
});

test('it takes another UUID at once, and is clean with it', TOOLS, async (t) => {
  const image = await cleanImage(t, []);
  const other = '11111111-2222-4333-8444-555555555555';
  output(['tune2fs', '-U', other, image]);
  assert.match(debugfs(image, 'show_super_stats', '-h'), new RegExp(`UUID: +${other}\\n`));
  assertClean(image);
});

test('owners, modes and times arrive, also large and unusual ones', TOOLS, async (t) => {
  const image = await cleanImage(t, [
    ['', folder({ mode: 0o711, uid: 3, gid: 4 })],
    ['sudo', file('x', { mode: 0o4755, uid: 0, gid: 27 })],
    ['tmp', folder({ mode: 0o1777 })],
    ['mail', folder({ mode: 0o2775, uid: 65535, gid: 65536 })],
    ['far', file('x', { mode: 0o600, uid: 4_000_000_000, gid: 70_000, mtime: 2 ** 31 + 5 })],
    ['old', file('x', { mtime: -5 })],
  ]);
  assert.deepEqual(
    ['/', '/sudo', '/tmp', '/mail', '/far'].map((name) => status(image, name).mode),
    ['0711', '04755', '01777', '02775', '0600'],
  );
  assert.equal(status(image, '/').owner, '3:4');
  assert.equal(status(image, '/mail').owner, '65535:65536');
  assert.equal(status(image, '/far').owner, '4000000000:70000');
  assert.equal(status(image, '/sudo').mtime, `0x${EPOCH.toString(16)}:00000000`);
  assert.equal(status(image, '/sudo').ctime, `0x${EPOCH.toString(16)}:00000000`);
  // 2038 and later: the two bits above the 32 (ext4, "Inode Timestamps").
  assert.equal(status(image, '/far').mtime, '0x80000005:00000001');
  assert.equal(status(image, '/old').mtime, '0xfffffffb:00000000');
});

test('symbolic links of every length that a path may have', TOOLS, async (t) => {
  const lengths = [1, 58, 59, 60, 61, 255, 4095];
  const image = await cleanImage(
    t,
    lengths.map((length) => [`l${length}`, symlink('t'.repeat(length))] as const),
  );
  const target = path.join(path.dirname(image), 'target');
  for (const length of lengths) {
    const seen = status(image, `/l${length}`);
    assert.equal(seen.type, 'symlink');
    assert.equal(seen.size, length);
    if (length < 60) assert.match(seen.text, new RegExp(`Fast link dest: "${'t'.repeat(length)}"`));
    else {
      debugfs(image, 'dump', `/l${length}`, target);
      assert.equal(readFileSync(target, 'utf8'), 't'.repeat(length));
    }
  }
});

test('hard links share one inode, and everything else has its own', TOOLS, async (t) => {
  const shared = file('shared');
  const link = symlink('a');
  const image = await cleanImage(t, [
    ['a', shared],
    ['d', folder()],
    ['d/b', shared],
    ['d/c', shared],
    ['e', file('shared')],
    ['l', link],
    ['m', link],
  ]);
  const inode = (name: string) => /Inode: (\d+)/.exec(status(image, name).text)?.[1];
  assert.equal(status(image, '/a').links, 3);
  assert.equal(inode('/a'), inode('/d/b'));
  assert.equal(inode('/a'), inode('/d/c'));
  assert.notEqual(inode('/a'), inode('/e'));
  assert.equal(status(image, '/l').links, 2);
  assert.equal(status(image, '/').links, 4);
});

test('devices and pipes, with numbers above 255 too', TOOLS, async (t) => {
  const image = await cleanImage(t, [
    ['null', node('character', { mode: 0o666, major: 1, minor: 3 })],
    ['disk', node('block', { major: 259, minor: 70_000 })],
    ['pipe', node('fifo')],
  ]);
  assert.match(status(image, '/null').text, /Device major\/minor number: 01:03/);
  assert.match(status(image, '/disk').text, /Device major\/minor number: 259:70000/);
  assert.equal(status(image, '/pipe').type, 'FIFO');
  assert.equal(status(image, '/disk').type, 'block');
});

test('names with 255 bytes, blanks, quotes and letters of the world', TOOLS, async (t) => {
  const names = ['n'.repeat(255), 'ü'.repeat(127), 'with  blanks ', "it's", 'a\\b', '日本語', '-rf', 'a\nb'];
  const image = await cleanImage(
    t,
    names.map((name, index) => [name, file(`${index}`)] as const),
  );
  const listed = debugfs(image, 'ls', '-p', '/');
  for (const name of names) assert.ok(listed.includes(`/${name}/1/`), `${name} in\n${listed}`);
});

test('a folder of 5,000 entries takes several blocks and loses none', TOOLS, async (t) => {
  const names = Array.from({ length: 5000 }, (_, index) => `big/entry-${index}-${'x'.repeat(index % 90)}`);
  const image = await cleanImage(t, [
    ['big', folder()],
    ...names.map((name, index) => [name, index % 10 === 0 ? folder() : file('')] as const),
  ]);
  assert.ok(status(image, '/big').size > 4096 * 50);
  assert.equal(status(image, '/big').links, 502);
  const listed = debugfs(image, 'ls', '-p', '/big').split('\n');
  const found = new Set(listed.map((line) => `big/${line.split('/')[5]}`));
  assert.deepEqual(
    names.filter((name) => !found.has(name)),
    [],
  );
});

test('content arrives whole at every size around a block', TOOLS, async (t) => {
  const sizes = [0, 1, 4095, 4096, 4097, 8192, 1_000_001];
  const image = await cleanImage(
    t,
    sizes.map((size) => [`f${size}`, file(Buffer.alloc(size, `${size}.`))] as const),
  );
  const copy = path.join(path.dirname(image), 'copy');
  for (const size of sizes) {
    debugfs(image, 'dump', `/f${size}`, copy);
    assert.ok(readFileSync(copy).equals(Buffer.alloc(size, `${size}.`)), `${size} bytes`);
    assert.equal(statSync(copy).size, size);
  }
});

test('file capabilities and other attributes are kept in the inode', TOOLS, async (t) => {
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
  const having = (...xattrs: readonly (readonly [string, Uint8Array])[]) =>
    file('x', { xattrs: new Map(xattrs) });
  const image = await cleanImage(t, [
    ['ping', having(['user.note', Buffer.from('two')], ['security.capability', capability])],
    [
      'more',
      having(
        ['trusted.empty', Buffer.alloc(0)],
        ['user.b', Buffer.from('2')],
        ['user.a', Buffer.from('one!')],
      ),
    ],
  ]);
  const value = (name: string, key: string) =>
    debugfs(image, 'ea_get', ...(key.startsWith('user') ? [] : ['-x']), name, key).trim();
  const hex = value('/ping', 'security.capability').split(' = ')[1];
  assert.equal(hex?.replaceAll(/\s/g, ''), capability.toString('hex'));
  assert.equal(value('/ping', 'user.note'), 'user.note (3) = "two"');
  assert.equal(value('/more', 'user.a'), 'user.a (4) = "one!"');
  assert.equal(value('/more', 'user.b'), 'user.b (1) = "2"');
  assert.match(debugfs(image, 'ea_list', '/more'), /trusted\.empty \(0\)/);
});

test('the same tree gives the same bytes, and a changed last file moves nothing before it', () => {
  const digest = (last: string) => {
    const { segments } = build([
      ['d', folder()],
      ['d/first', file(Buffer.alloc(100_000, 1))],
      ['d/last', file(last)],
    ]);
    const one = createHash('sha256');
    for (const { offset, source } of segments) one.update(`${offset}:`).update(source as Uint8Array);
    const data = segments.find(({ length }) => length === 100_000);
    return { all: one.digest('hex'), first: data?.offset };
  };
  assert.deepEqual(digest('same'), digest('same'));
  assert.notEqual(digest('same').all, digest('else').all);
  assert.equal(digest('short').first, digest('long'.repeat(100_000)).first);
});

test('some hundred random trees are clean file systems', TOOLS, async (t) => {
  const target = path.join(freshFolder(t), 'random.raw');
  for (let seed = 1; seed <= 200; seed++) {
    const size = (20 + randomFrom(seed).below(20)) * MIB + randomFrom(seed + 1).below(MIB);
    await writeRaw(build(randomTree(seed), size), target);
    assertClean(target, `seed ${seed}`);
  }
});

function randomTree(seed: number): [string, TreeNode][] {
  const { below } = randomFrom(seed);
  const folders = [''];
  const made: [string, TreeNode][] = [];
  const owner = () => ({
    uid: below(2 ** 32 - 1),
    gid: below(100_000),
    mode: below(0o10000),
    mtime: below(2 ** 33),
  });
  for (let index = below(80); index > 0; index--) {
    const name = `${folders[below(folders.length)]}/${index}${'é'.repeat(below(120))}`.replace(/^\//, '');
    const kinds: (() => TreeNode)[] = [
      () => file(Buffer.alloc(below(9000), index), owner()),
      () =>
        file(Buffer.alloc(below(3) * 4096, index), {
          xattrs: new Map([['user.x', Buffer.alloc(below(40), 7)]]),
        }),
      () => symlink('s'.repeat(1 + below(200)), owner()),
      () => node('character', { major: below(4096), minor: below(2 ** 20) }),
      () => node('block', { major: below(4096), minor: below(2 ** 20) }),
      () => node('fifo', owner()),
      () => made.map(([, other]) => other).find((other) => other.kind !== 'folder') ?? file('first'),
      () => folder(owner()),
    ];
    const entry = (kinds[below(kinds.length)] as () => TreeNode)();
    if (entry.kind === 'folder') folders.push(name);
    made.push([name, entry]);
  }
  return made;
}
