import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { randomFrom } from '../../agent/testing/random.ts';
import { chunks, type DiskImage, inOrder, type Segment, shift } from './segments.ts';
import { freshFolder } from './testing/images.ts';
import { WindowReader } from './window-reader.ts';

const WINDOW = 4 * 2 ** 20;

const memory = (offset: number, text: string): Segment => {
  const source = Buffer.from(text);
  return { offset, length: source.length, source };
};

async function all(image: DiskImage, size: number): Promise<[number, string][]> {
  const found: [number, string][] = [];
  for await (const { index, bytes } of chunks(image, size)) found.push([index, bytes.toString('latin1')]);
  return found;
}

async function openWith(t: TestContext, bytes: Uint8Array): Promise<fs.FileHandle> {
  const name = path.join(freshFolder(t), 'source');
  await fs.writeFile(name, bytes);
  const handle = await fs.open(name);
  t.after(() => handle.close());
  return handle;
}

test('segments that overlap or lie behind the end are a fault of ours', () => {
  assert.throws(() => inOrder(100, [memory(10, 'abc'), memory(12, 'x')]), /overlap at byte 12/);
  assert.throws(() => inOrder(100, [memory(12, 'x'), memory(10, 'abc')]), /overlap/);
  assert.throws(() => inOrder(100, [memory(10, 'a'), memory(10, 'b')]), /overlap/);
  assert.throws(() => inOrder(12, [memory(10, 'abc')]), /end at byte 13/);
  assert.doesNotThrow(() => inOrder(13, [memory(10, 'abc'), memory(0, ''), memory(11, '')]));
});

test('segments come out sorted, without empty ones, and can be moved as one', () => {
  const { segments } = inOrder(100, [memory(9, 'b'), memory(3, ''), memory(1, 'a')]);
  assert.deepEqual(
    segments.map(({ offset }) => offset),
    [1, 9],
  );
  assert.deepEqual(
    shift(segments, 50).map(({ offset }) => offset),
    [51, 59],
  );
});

test('chunks that nothing touches are skipped, and a segment over a border is in both', async () => {
  const image = inOrder(80, [
    memory(1, 'a'),
    memory(6, 'bcdef'),
    memory(11, 'g'),
    memory(40, '01234567'),
    memory(79, 'z'),
  ]);
  assert.deepEqual(await all(image, 8), [
    [0, '\0a\0\0\0\0bc'],
    [1, 'defg\0\0\0\0'],
    [5, '01234567'],
    [9, '\0\0\0\0\0\0\0z'],
  ]);
  assert.deepEqual(await all(inOrder(80, []), 8), []);
});

test('random segments from memory and files give the bytes that they hold', async (t) => {
  const { below } = randomFrom(7);
  const source = Buffer.from(Array.from({ length: 20_000 }, () => below(256)));
  const handle = await openWith(t, source);
  for (let round = 0; round < 100; round++) {
    const size = 4096;
    const expected = Buffer.alloc(size);
    const segments: Segment[] = [];
    for (let at = below(100); at < size; at += below(300)) {
      const length = Math.min(below(400), size - at);
      const position = below(source.length - length);
      source.copy(expected, at, position, position + length);
      const bytes = source.subarray(position, position + length);
      segments.push({ offset: at, length, source: below(2) === 0 ? bytes : { handle, position } });
      at += length;
    }
    const found = Buffer.alloc(size);
    for (const [index, bytes] of await all(inOrder(size, segments.reverse()), 128))
      found.write(bytes, index * 128, 'latin1');
    assert.ok(found.equals(expected), `round ${round}`);
  }
});

test('a reader gives the same bytes at the borders of its window, forwards and backwards', async (t) => {
  const bytes = Buffer.alloc(2 * WINDOW + 1000);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at);
  const reader = new WindowReader(await openWith(t, bytes));
  for (const at of [0, WINDOW - 2, WINDOW - 1, WINDOW, 2 * WINDOW - 3, 2 * WINDOW + 990, 5, 2 * WINDOW]) {
    assert.ok((await reader.read(at, 10)).equals(bytes.subarray(at, at + 10)), `at ${at}`);
  }
  assert.ok((await reader.read(3, 2 * WINDOW + 900)).equals(bytes.subarray(3, 2 * WINDOW + 903)));
  assert.equal((await reader.read(bytes.length, 0)).length, 0);
});

test('a view stays what it is when its reader goes on', async (t) => {
  const bytes = Buffer.alloc(2 * WINDOW + 1000);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at);
  const reader = new WindowReader(await openWith(t, bytes));
  const places = [0, WINDOW - 5, 2 * WINDOW - 3, 2 * WINDOW + 990, 5];
  const views: Buffer[] = [];
  for (const at of places) views.push(await reader.view(at, 10));
  for (const [index, at] of places.entries()) {
    assert.ok(views[index]?.equals(bytes.subarray(at, at + 10)), `at ${at}`);
  }
  assert.equal((await reader.view(8, WINDOW)).length, WINDOW);
  await assert.rejects(reader.view(2 * WINDOW + 995, 6), /ends early, at byte/);
});

test('a file that ends too early is an error that says where', async (t) => {
  const reader = new WindowReader(await openWith(t, Buffer.alloc(100)));
  await assert.rejects(reader.read(90, 11), /ends early, at byte 100/);
  await assert.rejects(reader.read(500, 1), /ends early, at byte 500/);
  assert.equal((await reader.read(90, 10)).length, 10);
});
