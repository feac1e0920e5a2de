import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { readBmap, writeBmap } from './bmap.ts';
import { freshFolder, rangesOf, usbImage } from './testing/sticks.ts';

const bmaptool =
  spawnSync('bmaptool', ['--version']).status === 0 ? {} : { skip: 'needs bmaptool (Debian: bmap-tools)' };
const MIB = 1024 * 1024;

test('a block map is read back as it was written', (t) => {
  const { bytes, bmap } = usbImage(freshFolder(t), 12 * MIB);
  const map = { size: bytes.length, ranges: rangesOf(bytes) };
  assert.deepEqual(readBmap(readFileSync(bmap, 'utf8'), bmap), map);
  const odd = { size: 4096 + 512, ranges: [{ offset: 4096, length: 512, sha256: 'a'.repeat(64) }] };
  assert.deepEqual(readBmap(writeBmap(odd), 'odd'), odd);
});

test('bmaptool takes our block map, and writes the image by it', bmaptool, (t) => {
  const folder = freshFolder(t);
  const { bytes, raw, bmap } = usbImage(folder, 12 * MIB);
  const copy = path.join(folder, 'copy');
  execFileSync('bmaptool', ['copy', '--bmap', bmap, raw, copy], { stdio: 'pipe' });
  assert.ok(readFileSync(copy).equals(bytes));
});

test('we take the block map of bmaptool', bmaptool, (t) => {
  const folder = freshFolder(t);
  const { bytes, raw } = usbImage(folder, 12 * MIB);
  execFileSync('cp', ['--sparse=always', raw, `${raw}.sparse`]);
  const text = execFileSync('bmaptool', ['create', `${raw}.sparse`], { encoding: 'utf8', stdio: 'pipe' });
  const map = readBmap(text, 'of bmaptool');
  assert.equal(map.size, bytes.length);
  assert.deepEqual(
    map.ranges.filter(({ offset }) => offset === 0).length,
    rangesOf(bytes).filter(({ offset }) => offset === 0).length,
  );
});

test('a damaged block map, or one of another kind, is refused', () => {
  const good = writeBmap({ size: 8192, ranges: [{ offset: 0, length: 4096, sha256: 'b'.repeat(64) }] });
  const code = { code: 'flash.bmap' };
  assert.throws(() => readBmap(good.replace(' 8192 ', ' 9192 '), 'x'), { ...code, message: /damaged/ });
  assert.throws(() => readBmap('hello', 'x'), { ...code, message: /no block map/ });
  assert.throws(() => readBmap(good.replace('"2.0"', '"1.4"'), 'x'), { ...code, message: /version 1.4/ });
  assert.throws(() => readBmap(good.replace('sha256', 'sha1'), 'x'), { ...code, message: /SHA-256/ });
});

test('ranges that are no blocks are a fault of ours', () => {
  const sha256 = 'c'.repeat(64);
  assert.throws(() => writeBmap({ size: 8192, ranges: [{ offset: 100, length: 3996, sha256 }] }), /blocks/);
  assert.throws(() => writeBmap({ size: 8192, ranges: [{ offset: 0, length: 100, sha256 }] }), /blocks/);
});
