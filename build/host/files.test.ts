import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { OperatorError } from '../errors.ts';
import { withNewFile } from './files.ts';

test('a full disk under a new file is told as such', { skip: process.platform !== 'linux' }, async () => {
  await assert.rejects(
    withNewFile('/dev/full', 'w', (handle) => handle.writeFile('x')),
    { code: 'disk.full', exit: 'storage' },
  );
});

test('what fills a new file fails in its own words, and what stands there already is kept', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'files-test.'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'x');
  const own = new OperatorError({ code: 'interrupted', message: 'stopped' });
  await assert.rejects(
    withNewFile(file, 'wx', async (handle) => {
      await handle.writeFile('first');
      throw own;
    }),
    (error) => error === own,
  );
  await assert.rejects(
    withNewFile(file, 'wx', (handle) => handle.writeFile('second')),
    { code: 'file.unwritable', message: /already/ },
  );
  assert.equal(readFileSync(file, 'utf8'), 'first');
});
