import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type CacheEntry, cacheFolderOf, entriesToPrune, keyOf, openCache } from './cache.ts';

const KEY = keyOf('some inputs');

async function freshFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cache-test.'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function freshCache(t: TestContext) {
  const warnings: string[] = [];
  const cache = await openCache(await freshFolder(t), (text) => warnings.push(text));
  const put = (text: string) =>
    cache.store('packages', KEY, async (work) => {
      await mkdir(path.join(work, 'deep'));
      await writeFile(path.join(work, 'deep', 'tree.tar'), text);
    });
  return { cache, put, warnings };
}

test('what was stored is found again, under its own kind and key only', async (t) => {
  const { cache, put } = await freshCache(t);
  assert.equal(await cache.lookup('packages', KEY), undefined);
  const entry = await put('content');
  assert.equal(await cache.lookup('packages', KEY), entry);
  assert.equal(await readFile(path.join(entry, 'deep', 'tree.tar'), 'utf8'), 'content');
  assert.equal(await cache.lookup('files', KEY), undefined);
  assert.equal(await cache.lookup('packages', keyOf('other inputs')), undefined);
});

for (const [name, damage] of [
  ['a truncated file', (entry: string) => truncate(path.join(entry, 'deep', 'tree.tar'), 3)],
  [
    'a file with other content of the same size',
    (entry: string) => writeFile(path.join(entry, 'deep', 'tree.tar'), 'CONTENT'),
  ],
  ['a lost file', (entry: string) => rm(path.join(entry, 'deep', 'tree.tar'))],
  ['a truncated record', (entry: string) => truncate(path.join(entry, 'entry.json'), 20)],
  ['a lost record', (entry: string) => rm(path.join(entry, 'entry.json'))],
] as const) {
  test(`an entry with ${name} is a miss, is removed with a warning, and can be made again`, async (t) => {
    const { cache, put, warnings } = await freshCache(t);
    const entry = await put('content');
    await damage(entry);
    assert.equal(await cache.lookup('packages', KEY), undefined);
    assert.match(warnings.join(), /damaged/);
    assert.deepEqual(await readdir(path.dirname(entry)), []);
    assert.equal(await put('content'), entry);
    assert.equal(await cache.lookup('packages', KEY), entry);
  });
}

test('a build that fails leaves nothing behind', async (t) => {
  const { cache } = await freshCache(t);
  const failing = cache.store('files', KEY, async (work) => {
    await writeFile(path.join(work, 'half'), 'half');
    throw new Error('no more');
  });
  await assert.rejects(failing, /no more/);
  assert.deepEqual(await readdir(path.join(cache.folder, 'work')), []);
  assert.equal(await cache.lookup('files', KEY), undefined);
});

test('of two builds of one entry at once both succeed, and the first to finish is kept', async (t) => {
  const { cache, put } = await freshCache(t);
  const slow = cache.store('packages', KEY, async (work) => {
    await put('first');
    await writeFile(path.join(work, 'tree.tar'), 'second');
  });
  const entry = await slow;
  assert.equal(await readFile(path.join(entry, 'deep', 'tree.tar'), 'utf8'), 'first');
  assert.equal(await cache.lookup('packages', KEY), entry);
});

test('opening removes the work of dead processes and leaves that of living ones', async (t) => {
  const folder = await freshFolder(t);
  const first = await openCache(folder);
  const work = path.join(folder, 'work');
  await mkdir(path.join(work, '999999999-1.packages.abc'));
  await mkdir(path.join(work, `${process.pid}-1.packages.reused-pid`));
  await first.store('packages', KEY, async (own) => {
    await openCache(folder);
    assert.deepEqual(await readdir(work), [path.basename(own)]);
  });
});

test('an entry that another living process looked up is not pruned', async (t) => {
  const { cache, put } = await freshCache(t);
  await put('content');
  const stat = await readFile('/proc/1/stat', 'utf8');
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  const marker = path.join(cache.folder, 'work', `1-${start}.packages.${KEY}.use`);
  await writeFile(marker, '');
  assert.deepEqual(await cache.prune({ all: true }), []);
  await rm(marker);
  assert.deepEqual(
    (await cache.prune({ all: true })).map(({ key }) => key),
    [KEY],
  );
  assert.deepEqual(await cache.list(), []);
});

test('pruning keeps the last used of each kind and drops what is old or incomplete', () => {
  const entry = (key: string, usedMs: number, complete = true): CacheEntry => ({
    kind: 'files',
    key,
    folder: '',
    bytes: 1,
    usedMs,
    complete,
  });
  const entries = [entry('old', 100), entry('new', 300), entry('mid', 200), entry('half', 400, false)];
  const keys = (policy: Parameters<typeof entriesToPrune>[1]) =>
    entriesToPrune(entries, policy, 400).map(({ key }) => key);
  assert.deepEqual(keys({ keep: 2 }), ['half', 'mid', 'old']);
  assert.deepEqual(keys({ olderThanMs: 250 }), ['half', 'old']);
  assert.deepEqual(keys({ all: true }), ['half', 'new', 'mid', 'old']);
  assert.deepEqual(keys({}), ['half']);
});

test('a key depends on what is meant and not on how it is written', () => {
  assert.equal(keyOf({ a: 1, b: [1, 2], c: undefined }), keyOf({ b: [1, 2], a: 1 }));
  assert.notEqual(keyOf({ b: [2, 1] }), keyOf({ b: [1, 2] }));
  assert.notEqual(keyOf(['ab']), keyOf(['a', 'b']));
  for (const lost of [Number.NaN, () => 1, new Map([[1, 2]]), new Date(0), undefined, 1n]) {
    assert.throws(() => keyOf({ lost: [lost] }), /no key can be made/);
  }
});

test('the cache folder follows the environment, and a relative XDG folder is ignored', () => {
  assert.equal(cacheFolderOf({ CLUSTEROS_CACHE: '/c', XDG_CACHE_HOME: '/x', HOME: '/h' }), '/c');
  assert.equal(cacheFolderOf({ XDG_CACHE_HOME: '/x', HOME: '/h' }), '/x/clusteros');
  assert.equal(cacheFolderOf({ XDG_CACHE_HOME: 'x', HOME: '/h' }), '/h/.cache/clusteros');
});
