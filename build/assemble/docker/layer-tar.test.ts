import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { EPOCH, file, folder, freshFolder, needs, node, output, symlink } from '../testing/images.ts';
import type { Tree, TreeNode } from '../tree/node.ts';
import { readTarIndex } from '../tree/tar-index.ts';
import { contentSize, layerEntries, writeLayer } from './layer-tar.ts';

const NEVER = new AbortController().signal;
const BINARY = Uint8Array.from([1, 0, 0, 2, 0xff, 0xfe, 10, 61, 0]);
const LONG = `usr/share/${'a-long-name/'.repeat(20)}end`;

function tree(...content: [string, TreeNode][]): Tree {
  return new Map([['', folder()], ...content]);
}

async function bytesOf(content: Tree): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of writeLayer(layerEntries(content), NEVER)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What a reader of tar files finds in the layer. */
async function readBack(t: TestContext, content: Tree): Promise<Tree> {
  const name = path.join(freshFolder(t), 'layer.tar');
  await fs.writeFile(name, await bytesOf(content));
  const handle = await fs.open(name);
  t.after(() => handle.close());
  return await readTarIndex(handle);
}

test('modes, owners, times, links and devices come back as they were', async (t) => {
  const content = tree(
    ['usr', folder({ mtime: 7 })],
    ['usr/bin', folder({ mode: 0o1777, gid: 64030 })],
    ['usr/bin/sudo', file('sudo', { mode: 0o4755, uid: 3 })],
    ['usr/bin/link', symlink('../lib/somewhere')],
    ['usr/empty', file('')],
    ['usr/pipe', node('fifo', { mode: 0o600 })],
    ['usr/null', node('character', { mode: 0o666, major: 1, minor: 3 })],
    ['usr/disk', node('block', { mode: 0o660, major: 8, minor: 17 })],
  );
  const found = await readBack(t, content);
  for (const [name, { source: _, ...expected }] of content) {
    if (name === '') continue;
    const { source: __, ...made } = found.get(name) ?? node('fifo');
    assert.deepEqual(made, expected, name);
  }
  assert.equal(found.size, content.size - 1);
});

test('attributes keep every byte, also under a name that is long or not ASCII', async (t) => {
  const xattrs = new Map([
    ['security.capability', BINARY],
    ['user.a', Buffer.from('=\n')],
  ]);
  const names = ['bin/ping', LONG, 'usr/share/größe'];
  const found = await readBack(
    t,
    tree(...names.map((name): [string, TreeNode] => [name, file('x', { xattrs })])),
  );
  for (const name of names) {
    const made = found.get(name)?.xattrs;
    assert.deepEqual(Buffer.from(made?.get('security.capability') ?? []), Buffer.from(BINARY), name);
    assert.equal(Buffer.from(made?.get('user.a') ?? []).toString(), '=\n', name);
  }
});

test('names of one file stay one file, and the first in order has the bytes', async (t) => {
  const perl = file('perl');
  const content = tree(['usr/bin/perl5', perl], ['usr/bin/perl', perl], [LONG, perl]);
  const found = await readBack(t, content);
  assert.equal(found.get('usr/bin/perl'), found.get('usr/bin/perl5'));
  assert.equal(found.get(LONG), found.get('usr/bin/perl'));
  const entries = layerEntries(content);
  assert.deepEqual(
    entries.map(({ data }) => data),
    [true, false, false],
  );
});

test('the order of the tree changes nothing, and a folder stands before what is in it', async () => {
  const parts: [string, TreeNode][] = [
    ['a', folder()],
    ['a/b', file('1')],
    ['a-c', file('2')],
    ['a.d', symlink('a')],
  ];
  const [one, other] = await Promise.all([bytesOf(tree(...parts)), bytesOf(tree(...parts.reverse()))]);
  assert.deepEqual(one, other);
  assert.deepEqual(
    layerEntries(tree(...parts)).map(({ header }) => header.name),
    ['a/', 'a-c', 'a.d', 'a/b'],
  );
});

test('a layer is a whole number of blocks, and holds as many bytes as its files', async () => {
  const xattrs = new Map([['security.capability', BINARY]]);
  for (const size of [0, 1, 511, 512, 513, 1024 * 1024, 1024 * 1024 + 1]) {
    const content = tree([LONG, file(Buffer.alloc(size, 7), { xattrs })], ['z', symlink(LONG)]);
    assert.equal((await bytesOf(content)).length % 512, 0, String(size));
    assert.equal(contentSize(layerEntries(content)), size);
  }
});

test('bytes come from the place in their file, large ones too', async (t) => {
  const place = path.join(freshFolder(t), 'source');
  const bytes = Buffer.alloc(3 * 1024 * 1024 + 5, 'clusteros');
  await fs.writeFile(place, bytes);
  const handle = await fs.open(place);
  t.after(() => handle.close());
  const part: TreeNode = node('file', { size: bytes.length - 3, source: { handle, position: 3 } });
  const layer = await bytesOf(tree(['large', part], ['after', file('end')]));
  const at = layer.indexOf(bytes.subarray(3, 64));
  assert.deepEqual(layer.subarray(at, at + part.size), bytes.subarray(3));
});

test('a source that ends early, and a stop, end the layer with an error', async (t) => {
  const place = path.join(freshFolder(t), 'source');
  await fs.writeFile(place, 'short');
  const handle = await fs.open(place);
  t.after(() => handle.close());
  const lost = tree(['lost', node('file', { size: 100, source: { handle, position: 0 } })]);
  await assert.rejects(bytesOf(lost), /ends early/);
  const stopped = writeLayer(layerEntries(tree(['x', file('x')])), AbortSignal.abort());
  await assert.rejects(async () => {
    for await (const _ of stopped);
  });
});

test('GNU tar lists the layer as it is', needs('tar'), async (t) => {
  const name = path.join(freshFolder(t), 'layer.tar');
  const xattrs = new Map([['user.note', Buffer.from('hello')]]);
  const content = tree(
    ['usr', folder()],
    ['usr/sudo', file('s', { mode: 0o4755, xattrs })],
    [LONG, file('l')],
  );
  await fs.writeFile(name, await bytesOf(content));
  const listing = output([
    'tar',
    '--list',
    '--verbose',
    '--verbose',
    '--xattrs',
    '--numeric-owner',
    '--file',
    name,
  ]);
  assert.match(listing, /^-rwsr-xr-x\* 0\/0 +1 2023-11-14 .* usr\/sudo$/m);
  assert.match(listing, /user\.note/);
  assert.match(listing, new RegExp(`${LONG}$`, 'm'));
  assert.equal(EPOCH, 1_700_000_000);
});

test('the layer of a known tree never changes', async () => {
  const content = tree(['etc', folder()], ['etc/a', file('a')], ['etc/b', symlink('a')]);
  const digest = createHash('sha256')
    .update(await bytesOf(content))
    .digest('hex');
  assert.equal(digest, '48384303984918e213b9ffcb8627be63f13551a4981fcae15a7a797095639680');
});
