import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { inOrder, type Segment } from '../segments.ts';
import { cellsOf, mapImage, type Stretch } from './image-map.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

async function map(size: number, segments: readonly Segment[], zeros: readonly Stretch[] = []) {
  const pieces: { offset: number; bytes: Buffer }[] = [];
  const found = await mapImage(inOrder(size, segments), zeros, async ({ offset, bytes }) => {
    pieces.push({ offset, bytes: Buffer.from(bytes) });
  });
  return { ...found, pieces };
}

const at = (offset: number, length: number): Segment => ({ offset, length, source: Buffer.alloc(length, 1) });

test('what holds something is mapped, what holds nothing is not', async () => {
  const { ranges, pieces } = await map(64 * MIB, [
    at(0, 10),
    at(20 * MIB, 100 * KIB),
    { offset: 40 * MIB, length: MIB, source: Buffer.alloc(MIB) },
  ]);
  assert.deepEqual(
    ranges.map(({ offset, length }) => [offset, length]),
    [
      [0, 64 * KIB],
      [20 * MIB, 128 * KIB],
    ],
  );
  assert.deepEqual(
    pieces.map(({ offset }) => offset),
    [0, 20 * MIB],
  );
});

test('zeros that are asked for are mapped, also where no segment is near', async () => {
  const { ranges, pieces } = await map(
    64 * MIB,
    [at(0, 10)],
    [
      { from: 30 * MIB, to: 30 * MIB + 5 },
      { from: 63 * MIB, to: 64 * MIB },
    ],
  );
  assert.deepEqual(
    ranges.map(({ offset, length }) => [offset, length]),
    [
      [0, 64 * KIB],
      [30 * MIB, 64 * KIB],
      [63 * MIB, MIB],
    ],
  );
  assert.ok(pieces[1]?.bytes.every((byte) => byte === 0));
});

test('a range has the digest of its bytes, is at most 16 MiB long, and ends with the image', async () => {
  const size = 40 * MIB + 12 * KIB;
  const { ranges, pieces } = await map(size, [at(0, size)]);
  assert.deepEqual(
    ranges.map(({ offset, length }) => [offset, length]),
    [
      [0, 16 * MIB],
      [16 * MIB, 16 * MIB],
      [32 * MIB, 8 * MIB + 12 * KIB],
    ],
  );
  for (const { length, sha256 } of ranges) {
    assert.equal(sha256, createHash('sha256').update(Buffer.alloc(length, 1)).digest('hex'));
  }
  assert.equal(
    pieces.reduce((sum, { bytes }) => sum + bytes.length, 0),
    size,
  );
});

test('stretches are mapped as whole cells, joined where they touch, up to the end of the image', () => {
  const stretches = [
    { from: 300 * KIB, to: 301 * KIB },
    { from: 10, to: 70 * KIB },
    { from: 100 * KIB, to: 110 * KIB },
    { from: MIB - 1, to: MIB + 5 },
  ];
  assert.deepEqual(cellsOf(MIB + 5, stretches), [
    { from: 0, to: 128 * KIB },
    { from: 256 * KIB, to: 320 * KIB },
    { from: MIB - 64 * KIB, to: MIB + 5 },
  ]);
});

test('a piece is whole until it has been taken, however late that is', async () => {
  const size = 20 * MIB;
  const source = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4096) source.writeUInt32LE(at + 1, at);
  const taken = Buffer.alloc(size);
  await mapImage(inOrder(size, [{ offset: 0, length: size, source }]), [], async ({ offset, bytes }) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    bytes.copy(taken, offset);
  });
  assert.ok(taken.equals(source));
});
