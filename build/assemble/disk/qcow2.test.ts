import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { randomFrom } from '../../../agent/testing/random.ts';
import { type DiskImage, inOrder, type Segment } from '../segments.ts';
import { call, freshFolder, needs, output, writeRaw } from '../testing/images.ts';
import { type Qcow2Options, writeQcow2 } from './qcow2.ts';

const CLUSTER = 65_536;
const MIB = 2 ** 20;
const TOOLS = needs('qemu-img');

async function write(t: TestContext, image: DiskImage, options: Partial<Qcow2Options> = {}) {
  const target = path.join(freshFolder(t), 'image.qcow2');
  const handle = await fs.open(target, 'wx+');
  try {
    return { target, size: await writeQcow2(handle, image, { level: 1, ...options }) };
  } finally {
    await handle.close();
  }
}

/** What qemu-img says: no fault in the tables, and the same bytes as the plain file. */
async function assertSame(t: TestContext, image: DiskImage): Promise<string> {
  const { target, size } = await write(t, image);
  assert.equal((await fs.stat(target)).size, size);
  const check = call(['qemu-img', 'check', '--output=json', target]);
  assert.equal(check.status, 0, `${check.stdout}${check.stderr}`);
  const faults = JSON.parse(check.stdout) as Record<string, number>;
  assert.deepEqual([faults['check-errors'], faults.leaks ?? 0, faults.corruptions ?? 0], [0, 0, 0]);
  const raw = await writeRaw(image, path.join(path.dirname(target), 'image.raw'));
  const compared = call(['qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', raw, target]);
  assert.equal(compared.status, 0, `${compared.stdout}${compared.stderr}`);
  return target;
}

const bytes = (offset: number, source: Uint8Array): Segment => ({ offset, length: source.length, source });

for (const [what, size, segments] of [
  ['an empty image', 10 * MIB, []],
  ['an image of one cluster', CLUSTER, [bytes(0, Buffer.alloc(CLUSTER, 1))]],
  ['one byte at the very start', 10 * MIB, [bytes(0, Buffer.of(1))]],
  ['one byte at the very end', 100 * MIB, [bytes(100 * MIB - 1, Buffer.of(1))]],
  ['a size that is no multiple of a cluster', 3 * MIB + 512, [bytes(3 * MIB, Buffer.alloc(512, 7))]],
  ['bytes that cannot be compressed', 4 * MIB, [bytes(5000, randomBytes(3 * MIB))]],
  ['segments of zeros', 4 * MIB, [bytes(0, Buffer.alloc(MIB)), bytes(2 * MIB, Buffer.alloc(MIB))]],
  [
    'some bytes in many L2 tables',
    40 * 1024 * MIB,
    [0, 1, 2, 79].map((n) => bytes(n * 512 * MIB + 12_345, Buffer.from(`${n}`))),
  ],
] as const) {
  test(`${what} is what qemu-img reads from it`, TOOLS, async (t) => {
    await assertSame(t, inOrder(size, segments));
  });
}

test('random sparse images are what qemu-img reads from them', TOOLS, async (t) => {
  for (let seed = 1; seed <= 15; seed++) {
    const { below } = randomFrom(seed);
    const size = (1 + below(200)) * MIB + below(2) * 512;
    const segments: Segment[] = [];
    for (let at = below(3 * MIB); at < size; at += below(20 * MIB)) {
      const length = Math.min(1 + below(300_000), size - at);
      segments.push(bytes(at, below(2) === 0 ? randomBytes(length) : Buffer.alloc(length, below(3))));
      at += length;
    }
    await assertSame(t, inOrder(size, segments));
  }
});

test('the image is compressed, of version 3, and takes little room for a hole', TOOLS, async (t) => {
  const image = inOrder(2048 * MIB, [bytes(MIB, Buffer.alloc(20 * MIB, 'text '))]);
  const target = await assertSame(t, image);
  assert.ok((await fs.stat(target)).size < MIB);
  const info = JSON.parse(output(['qemu-img', 'info', '--output=json', target])) as {
    'virtual-size': number;
    'format-specific': { data: { compat: string; 'compression-type': string } };
  };
  assert.equal(info['virtual-size'], 2048 * MIB);
  assert.equal(info['format-specific'].data.compat, '1.1');
  assert.equal(info['format-specific'].data['compression-type'], 'zstd');
});

test('the same image gives the same file', async (t) => {
  const image = inOrder(64 * MIB, [bytes(MIB, Buffer.alloc(30 * MIB, 'again '))]);
  const one = await fs.readFile((await write(t, image)).target);
  assert.ok(one.equals(await fs.readFile((await write(t, image)).target)));
});

test('what is said of the progress only grows, and reaches the whole', async (t) => {
  const image = inOrder(200 * MIB, [bytes(0, Buffer.alloc(150 * MIB, 1))]);
  const seen: number[] = [];
  await write(t, image, {
    onProgress: (done, total) => {
      assert.equal(total, 200 * MIB);
      seen.push(done);
    },
  });
  assert.ok(seen.length > 2, `${seen}`);
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  assert.equal(seen.at(-1), 200 * MIB);
});

test('a stop ends the writing at the next cluster', async (t) => {
  const controller = new AbortController();
  const image = inOrder(400 * MIB, [bytes(0, Buffer.alloc(300 * MIB, 1))]);
  const seen: number[] = [];
  const onProgress = (done: number) => {
    seen.push(done);
    controller.abort(new Error('stop it'));
  };
  await assert.rejects(write(t, image, { signal: controller.signal, onProgress }), /stop it/);
  assert.deepEqual(seen, [0]);
});

test('a source that fails, or a full disk, ends the writing with its own error', async (t) => {
  const failing = { read: () => Promise.reject(new Error('the source is gone')) } as unknown as fs.FileHandle;
  const broken = inOrder(MIB, [{ offset: 0, length: 10, source: { handle: failing, position: 0 } }]);
  await assert.rejects(write(t, broken), /the source is gone/);
  const full = await fs.open('/dev/full', 'r+');
  t.after(() => full.close());
  const image = inOrder(8 * MIB, [bytes(0, randomBytes(8 * MIB))]);
  await assert.rejects(writeQcow2(full, image, { level: 1 }), { code: 'ENOSPC' });
});
