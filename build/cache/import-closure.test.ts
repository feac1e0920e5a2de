import assert from 'node:assert/strict';
import * as path from 'node:path';
import { test } from 'node:test';
import { importClosure } from './import-closure.ts';

test("the assembler's key covers what it imports from other rooms, threads among it", async () => {
  const closure = await importClosure([path.join(import.meta.dirname, '../assemble/targets.ts')]);
  for (const file of [
    'build/assemble/usb/usb-image.ts',
    'build/flash/bmap.ts',
    'agent/installer/gpt.ts',
    'build/assemble/disk/zstd-thread.ts',
    'build/assemble/usb/zstd-file-thread.ts',
  ])
    assert.ok(closure.includes(file), `${file} is not in ${closure.join(' ')}`);
  assert.ok(!closure.some((file) => file.endsWith('.test.ts') || file.includes('node_modules')));
});
