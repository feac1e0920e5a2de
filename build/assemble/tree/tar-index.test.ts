import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { randomFrom } from '../../../agent/testing/random.ts';
import { call, freshFolder, needs, output } from '../testing/images.ts';
import type { Tree } from './node.ts';
import { readTarIndex } from './tar-index.ts';

const TOOLS = needs('tar');
const LONG = `${'folder-with-a-long-name/'.repeat(12)}${'f'.repeat(120)}`;

/** A folder with one of everything that an ordinary user can make. */
async function sample(t: TestContext): Promise<string> {
  const folder = path.join(freshFolder(t), 'tree');
  await fs.mkdir(folder);
  await fs.writeFile(path.join(folder, 'empty'), '');
  await fs.writeFile(path.join(folder, 'a file'), 'content', { mode: 0o640 });
  await fs.writeFile(path.join(folder, 'block'), Buffer.alloc(512, 'b'));
  await fs.writeFile(path.join(folder, 'ümlaut'), Buffer.alloc(100_000, 'u'));
  await fs.chmod(path.join(folder, 'block'), 0o4755);
  await fs.link(path.join(folder, 'a file'), path.join(folder, 'hard'));
  await fs.symlink('a file', path.join(folder, 'soft'));
  output(['mkfifo', path.join(folder, 'pipe')]);
  return folder;
}

async function withLongNames(folder: string): Promise<string> {
  await fs.mkdir(path.join(folder, path.dirname(LONG)), { recursive: true });
  await fs.writeFile(path.join(folder, LONG), 'deep');
  await fs.symlink(LONG, path.join(folder, 'long-link'));
  await fs.link(path.join(folder, LONG), path.join(folder, 'long-hard'));
  return folder;
}

/** An open archive made by GNU tar. */
async function archive(
  t: TestContext,
  folder: string,
  ...options: readonly string[]
): Promise<fs.FileHandle> {
  const target = path.join(path.dirname(folder), 'a.tar');
  output(['tar', '--create', '--sort=name', '--file', target, ...options, '--directory', folder, '.']);
  const handle = await fs.open(target);
  t.after(() => handle.close());
  return handle;
}

async function contentOf(tree: Tree, name: string): Promise<string> {
  const node = tree.get(name);
  if (node?.source === undefined || node.source instanceof Uint8Array) return '';
  const bytes = Buffer.alloc(node.size);
  await node.source.handle.read(bytes, 0, node.size, node.source.position);
  return bytes.toString();
}

for (const format of ['pax', 'gnu', 'ustar'] as const) {
  test(`an archive of GNU tar in the format ${format} is read as it was written`, TOOLS, async (t) => {
    const folder = await sample(t);
    if (format !== 'ustar') await withLongNames(folder);
    const owner = ['--owner=:123456', '--group=:7', '--mtime=@1700000000.5'];
    const tree = await readTarIndex(await archive(t, folder, `--format=${format}`, ...owner));
    assert.equal(await contentOf(tree, 'a file'), 'content');
    assert.equal(await contentOf(tree, 'block'), 'b'.repeat(512));
    assert.equal(await contentOf(tree, 'ümlaut'), 'u'.repeat(100_000));
    assert.equal(tree.get('a file'), tree.get('hard'));
    assert.equal(tree.get('a file')?.mode, 0o640);
    assert.equal(tree.get('block')?.mode, 0o4755);
    assert.equal(tree.get('empty')?.size, 0);
    assert.equal(tree.get('soft')?.target, 'a file');
    assert.equal(tree.get('pipe')?.kind, 'fifo');
    assert.equal(tree.get('')?.kind, 'folder');
    for (const node of tree.values())
      assert.deepEqual([node.uid, node.gid, node.mtime], [123_456, 7, 1_700_000_000]);
    if (format === 'ustar') return;
    assert.equal(await contentOf(tree, LONG), 'deep');
    assert.equal(tree.get('long-link')?.target, LONG);
    assert.equal(tree.get('long-hard'), tree.get(LONG));
  });
}

test('owners and times that octal cannot hold are read from base 256', TOOLS, async (t) => {
  const options = ['--format=gnu', '--owner=:4000000000', '--group=:2097152', '--mtime=@-5'];
  const tree = await readTarIndex(await archive(t, await sample(t), ...options));
  const { uid, gid, mtime } = tree.get('a file') ?? {};
  assert.deepEqual([uid, gid, mtime], [4_000_000_000, 2_097_152, -5]);
});

test("GNU tar's access times are not taken for a part of the name", TOOLS, async (t) => {
  const folder = await sample(t);
  const tree = await readTarIndex(
    await archive(t, folder, '--format=gnu', '--atime-preserve=replace', '--incremental'),
  ).catch((error: Error) => error.message);
  // The incremental format has entries for folders that nothing else knows: refused, and by their type.
  assert.match(String(tree), /unknown type D/);
  const old = header({ name: 'file', magic: 'ustar  \0', prefix: '14526313430\0' + '14526313431' });
  assert.deepEqual([...(await readBytes([old, end()])).keys()], ['file']);
});

test('extended attributes come through', { skip: await whyNoAttributes() }, async (t) => {
  const folder = await sample(t);
  output([
    'python3',
    '-c',
    'import os,sys; os.setxattr(sys.argv[1], "user.note", b"a=b\\n\\0c")',
    path.join(folder, 'empty'),
  ]);
  const tree = await readTarIndex(await archive(t, folder, '--format=pax', '--xattrs', '--xattrs-include=*'));
  assert.equal(Buffer.from(tree.get('empty')?.xattrs.get('user.note') ?? []).toString(), 'a=b\n\0c');
});

for (const [format, ...options] of [
  ['gnu', '--format=gnu'],
  ['pax 0.0', '--format=pax', '--sparse-version=0.0'],
  ['pax 0.1', '--format=pax', '--sparse-version=0.1'],
  ['pax 1.0', '--format=pax', '--sparse-version=1.0'],
] as const) {
  test(
    `a sparse file in the format ${format} is refused, for its bytes are not where it says`,
    TOOLS,
    async (t) => {
      const folder = await sample(t);
      const handle = await fs.open(path.join(folder, 'sparse'), 'w');
      await handle.truncate(2 ** 20);
      await handle.write('end', 2 ** 20);
      await handle.close();
      await assert.rejects(readTarIndex(await archive(t, folder, '--sparse', ...options)), /sparse/);
    },
  );
}

test('a path that climbs out of the root is refused, as a name and as a hard link', async () => {
  for (const name of ['../evil', 'a/../../evil', '..']) {
    await assert.rejects(readBytes([header({ name }), end()]), /leaves the archive/);
    await assert.rejects(
      readBytes([header({ name: 'x', type: '1', link: name }), end()]),
      /leaves the archive/,
    );
  }
});

for (const [what, blocks, message] of [
  ['nothing at all', [], /ends early/],
  ['no end', [header({ name: 'a' })], /ends early/],
  ['a file that is cut off', [header({ name: 'a', size: '2000' }), Buffer.alloc(512)], /ends early/],
  ['a hard link to nothing', [header({ name: 'a', type: '1', link: 'b' }), end()], /not in the archive/],
  [
    'a hard link to a folder',
    [header({ name: 'd', type: '5' }), header({ name: 'a', type: '1', link: 'd' }), end()],
    /folder/,
  ],
  ['a wrong checksum', [Buffer.alloc(512, '1'), end()], /checksum/],
  ['a size that is no number', [header({ name: 'a', size: '12x4' }), end()], /number/],
  ['a negative size', [header({ name: 'a', size: Buffer.alloc(12, 0xff) }), end()], /size/],
  ['a pax size that is no number', [...pax('12 size=1x3\n'), header({ name: 'a' }), end()], /number/],
  [
    'a pax record longer than its header',
    [...pax('99 path=a\n'), header({ name: 'a' }), end()],
    /damaged pax/,
  ],
  ['a pax record without a length', [...pax('path=a\n'), header({ name: 'a' }), end()], /damaged pax/],
  ['a pax header of gigabytes', [header({ name: 'a', type: 'x', size: '77777777777' }), end()], /too long/],
  ['a name that is not UTF-8', [header({ name: Buffer.from([0x61, 0xff]) }), end()], /UTF-8/],
  ['an unknown kind of entry', [header({ name: 'a', type: 'Z' }), end()], /unknown type Z/],
] as const) {
  test(`an archive with ${what} is refused`, async () => {
    await assert.rejects(readBytes(blocks as readonly Buffer[]), message);
  });
}

test('an archive that is cut off anywhere is refused, or lacks only its padding', TOOLS, async (t) => {
  const handle = await archive(t, await withLongNames(await sample(t)), '--format=pax');
  const whole = await handle.readFile();
  const names = [...(await readBytes([whole])).keys()];
  const endAt = whole.lastIndexOf('ustar') - 257;
  for (let length = 0; length < whole.length; length += 411) {
    const cut = await readBytes([whole.subarray(0, length)]).catch(() => undefined);
    if (length < endAt + 512) assert.equal(cut, undefined, `cut at ${length} of ${whole.length}`);
    else if (cut !== undefined) assert.deepEqual([...cut.keys()], names);
  }
});

test('thousands of damaged archives end in a tree or an error, each within a second', TOOLS, async (t) => {
  const folder = await withLongNames(await sample(t));
  const good = await Promise.all(
    ['pax', 'gnu'].map(async (format) => {
      const handle = await archive(t, folder, `--format=${format}`);
      return await handle.readFile();
    }),
  );
  let refused = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const { below } = randomFrom(seed);
    const bytes = Buffer.from(good[seed % 2] as Buffer);
    const heads = headersOf(bytes);
    // Mostly headers, sometimes what lies between them.
    const block = below(4) === 0 ? below(bytes.length / 512) * 512 : (heads[below(heads.length)] ?? 0);
    for (let count = 1 + below(4); count > 0; count--) bytes[block + below(512)] = below(256);
    if (heads.includes(block)) fixChecksum(bytes.subarray(block, block + 512));
    const start = performance.now();
    await readBytes([bytes]).catch((error) => {
      assert.ok(
        error instanceof Error && !(error instanceof RangeError || error instanceof TypeError),
        `${seed}: ${error}`,
      );
      refused += 1;
    });
    assert.ok(performance.now() - start < 1000, `seed ${seed}`);
  }
  assert.ok(refused > 300, `${refused} refused`);
});

interface Fields {
  readonly name: string | Uint8Array;
  readonly type?: string;
  readonly size?: string | Uint8Array;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
}

function header({
  name,
  type = '0',
  size = '0',
  link = '',
  magic = 'ustar\x0000',
  prefix = '',
}: Fields): Buffer {
  const block = Buffer.alloc(512);
  for (const [value, at] of [
    [name, 0],
    ['644', 100],
    ['0', 108],
    ['0', 116],
    [size, 124],
    ['0', 136],
    [type, 156],
    [link, 157],
    [magic, 257],
    [prefix, 345],
  ] as const) {
    Buffer.from(value as string).copy(block, at);
  }
  return fixChecksum(block);
}

function headersOf(bytes: Buffer): number[] {
  const starts = Array.from({ length: bytes.length / 512 }, (_, index) => index * 512);
  return starts.filter((at) => bytes.toString('latin1', at + 257, at + 262) === 'ustar');
}

function fixChecksum(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function pax(records: string): Buffer[] {
  const data = Buffer.alloc(512);
  data.write(records);
  return [header({ name: 'pax', type: 'x', size: records.length.toString(8) }), data];
}

function end(): Buffer {
  return Buffer.alloc(1024);
}

/** Read an archive from memory; the rest of a file handle is not asked for. */
function readBytes(blocks: readonly Buffer[]): Promise<Tree> {
  const bytes = Buffer.concat(blocks);
  const read = async (into: Buffer, offset: number, length: number, position: number) => ({
    bytesRead: bytes.subarray(position, position + length).copy(into, offset),
  });
  return readTarIndex({ read } as unknown as fs.FileHandle);
}

async function whyNoAttributes(): Promise<string | false> {
  const { skip } = needs('tar', 'python3');
  if (skip) return skip;
  const set = 'import os,tempfile; f = tempfile.NamedTemporaryFile(); os.setxattr(f.name, "user.x", b"1")';
  return call(['python3', '-c', set]).status === 0 ? false : 'the temporary folder has no user attributes';
}
