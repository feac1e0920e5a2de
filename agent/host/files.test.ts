import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileStream, files } from '../host.ts';
import { makeSandbox } from '../testing/sandbox.ts';

test('what is being written is no leftover; what a dead process left behind is, with any number', async (t) => {
  const { put, paths } = makeSandbox(t);
  const [ours, gone] = [`a.json.${process.pid}.0123456789ab.tmp`, 'b.json.4194305.0123456789ab.tmp'];
  for (const name of [ours, gone]) put(`state/${name}`, 'half');
  const removed: string[][] = [];
  async function* pieces() {
    yield Buffer.from('who');
    removed.push(await files.removeLeftovers(paths.state));
    yield Buffer.from('le');
  }
  await fileStream.writeStreamDurable(`${paths.state}/c.db`, pieces());
  assert.deepEqual(removed, [[ours, gone]]);
  assert.equal(readFileSync(`${paths.state}/c.db`, 'utf8'), 'whole');
  await Promise.all([
    ...Array.from({ length: 20 }, (_, index) => files.writeDurable(`${paths.state}/d${index}`, 'd', 0o600)),
    ...Array.from({ length: 20 }, () => files.removeLeftovers(paths.state)),
  ]);
  assert.equal(readdirSync(paths.state).length, 21);
});

test('a copy says which of its two files cannot be used, and leaves nothing', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.state, { recursive: true });
  const copied = fileStream.copyDurable(`${paths.state}/none`, `${paths.state}/copy`);
  await assert.rejects(copied, { code: 'file.unreadable', exit: 'storage', message: /none: no such file/ });
  await assert.rejects(fileStream.copyDurable('/proc/self/comm', `${paths.state}/no/copy`), {
    code: 'file.unwritable',
  });
  assert.deepEqual(readdirSync(paths.state), []);
});
