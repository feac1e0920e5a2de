import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { test } from 'node:test';
import { planOf } from '../../rootfs/testing/archive.ts';
import { diskIdentifiers } from '../disk/identifiers.ts';
import { EPOCH, file, folder, freshFolder, needs, node, output, symlink } from '../testing/images.ts';
import type { Tree } from '../tree/node.ts';
import { assembleDocker } from './docker-archive.ts';

const TREE: Tree = new Map([
  ['', folder()],
  ['sbin', symlink('usr/sbin')],
  ['usr', folder()],
  ['usr/sbin', folder()],
  ['usr/sbin/init', file(Buffer.alloc(9_000_000, 'init'))],
]);

async function assemble(name: string, tree: Tree = TREE): Promise<Buffer> {
  const plan = planOf('http://mirror.example/debian', {}, { targets: ['docker'] });
  await assembleDocker(name, {
    plan,
    root: { tree, packages: [], read: () => Promise.reject(new Error('not asked')) },
    ids: diskIdentifiers('unused'),
    epoch: EPOCH,
    workFolder: '/nowhere',
    signal: new AbortController().signal,
  });
  return await fs.readFile(name);
}

test(
  'the archive is what docker load reads: one layer, its configuration, its tags',
  needs('tar'),
  async (t) => {
    const folderOfTest = freshFolder(t);
    await assemble(path.join(folderOfTest, 'image.tar'));
    output(['tar', '--extract', '--file', path.join(folderOfTest, 'image.tar'), '--directory', folderOfTest]);
    const read = (name: string) => fs.readFile(path.join(folderOfTest, name));
    const [index] = JSON.parse(String(await read('manifest.json')));
    assert.deepEqual(index.Layers, ['layer.tar']);
    assert.match(index.RepoTags[0], /^clusteros:\d+\.\d+\.\d+$/);
    assert.equal(index.RepoTags[1], 'test:debian-13');
    const text = await read(index.Config);
    assert.equal(index.Config, `${createHash('sha256').update(text).digest('hex')}.json`);
    const config = JSON.parse(String(text));
    const layer = createHash('sha256')
      .update(await read('layer.tar'))
      .digest('hex');
    assert.deepEqual(config.rootfs, { type: 'layers', diff_ids: [`sha256:${layer}`] });
    assert.equal(config.created, '2023-11-14T22:13:20.000Z');
    assert.equal(config.config.StopSignal, 'SIGRTMIN+3');
    assert.deepEqual(config.config.Cmd, ['/sbin/init']);
    assert.deepEqual(config.config.Volumes, { '/var/lib/clusteros': {} });
  },
);

test('the same tree gives the same bytes', async (t) => {
  const place = freshFolder(t);
  const one = await assemble(path.join(place, 'one.tar'));
  assert.ok(one.equals(await assemble(path.join(place, 'other.tar'))));
});

test('a file that is there already is not written over, and a source that ends early is told', async (t) => {
  const place = path.join(freshFolder(t), 'image.tar');
  await fs.writeFile(place, 'kept');
  await assert.rejects(assemble(place), { code: 'file.unwritable' });
  assert.equal(await fs.readFile(place, 'utf8'), 'kept');
  const handle = await fs.open(place);
  t.after(() => handle.close());
  const size = 5_000_000;
  const lost: Tree = new Map([
    ...TREE,
    ['usr/lost', node('file', { size, source: { handle, position: 0 } })],
  ]);
  await assert.rejects(assemble(`${place}.other`, lost), /ends early/);
});
