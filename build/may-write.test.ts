import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { describeError, OperatorError } from './errors.ts';
import { places } from './host.ts';
import { assertMayFill, assertMayWrite, isMarked, marked, outputFile, writeOutput } from './may-write.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'may-write-'));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);
const INTENT = {
  what: 'the seed',
  ours: isMarked,
  force: false,
  onDevice: (device: string) => `flash ${device}`,
};

async function refusal(file: string, force = false): Promise<OperatorError> {
  const error = await assertMayWrite(file, { ...INTENT, force }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof OperatorError, `${file} was not refused`);
  return error;
}

test('what we wrote is replaced; what was edited since, or made by others, only by force', async () => {
  const file = at('mine.yaml');
  for (const text of ['a: 1\n', 'a: 2\n']) await writeOutput(file, marked(text), INTENT);
  writeFileSync(file, readFileSync(file, 'utf8').replace('a: 2', 'a: 3'));
  assert.equal((await refusal(file)).code, 'output.exists');
  writeFileSync(at('notes.txt'), 'notes\n');
  assert.match((await refusal(at('notes.txt'))).fix ?? '', /--force/);
  await writeOutput(file, 'b: 1\n', { ...INTENT, force: true });
});

test('a key is never replaced, forced or not, whatever its name', async () => {
  for (const [name, text] of [
    ['old.txt', randomBytes(32).toString('base64')],
    ['cluster.key', 'damaged'],
    ['id.pem', '-----BEGIN PRIVATE KEY-----\n'],
  ] as const) {
    writeFileSync(at(name), text);
    for (const force of [false, true]) assert.equal((await refusal(at(name), force)).code, 'output.secret');
    assert.equal(readFileSync(at(name), 'utf8'), text);
  }
});

test('what is no plain file is refused with what to do, forced or not', async (t) => {
  mkdirSync(at('folder'));
  symlinkSync('nowhere', at('dangling'));
  symlinkSync(at('notes.txt'), at('link'));
  spawnSync('mkfifo', [at('pipe')]);
  const server = createServer().listen(at('socket'));
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const cases: [string, RegExp][] = [
    ['folder', /is a folder.*\n.*name a file in it/],
    ['dangling', /symbolic link to nowhere/],
    ['link', /symbolic link/],
    ['pipe', /named pipe/],
    ['socket', /socket/],
  ];
  if (spawnSync('mknod', [at('sdb'), 'b', '7', '200']).status === 0)
    cases.push(['sdb', /is a device.*\n.*flash .*sdb/]);
  for (const [name, words] of cases) {
    const error = await refusal(at(name), true);
    assert.equal(error.code, 'output.kind', name);
    assert.match(describeError(error), words);
  }
  assert.equal((await refusal('/dev/null')).code, 'output.kind');
  await assert.rejects(assertMayFill(at('pipe'), INTENT), /is a named pipe; .* needs a folder/);
});

test('links in a circle and a name that is too long are told in words, with what to do', async () => {
  symlinkSync('round', at('round'));
  for (const [file, words] of [
    [at('round/x'), /links lead in a circle\n.*fix: remove the link/],
    [at('n'.repeat(300)), /the name is too long\n.*fix:/],
  ] as const)
    assert.match(describeError(await refusal(file)), words);
});

test("a place that keeps nothing is refused: the kernel's file systems, and a device that is not there", async () => {
  for (const file of ['/proc/x', '/proc/self/x/y', '/sys/x', '/dev/no-such-stick']) {
    assert.equal((await refusal(file, true)).code, 'output.place', file);
    await assert.rejects(assertMayFill(file, INTENT), { code: 'output.place' }, file);
  }
  await assert.rejects(assertMayFill(at('notes.txt'), INTENT), { code: 'output.kind' });
  await assertMayFill(at('new/folder'), INTENT);
});

test('the kind of the innermost file system is told, also behind a blank and a second mount', () => {
  const info = [
    '21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '22 21 0:5 / /proc rw - proc proc rw',
    '30 21 8:33 / /media/my\\040disk rw,nosuid - fuseblk /dev/sdc1 rw,user_id=0',
    '31 30 0:50 / /media/my\\040disk rw - exfat /dev/sdd1 rw',
  ].join('\n');
  const kind = (place: string) => places.mountedKind(info, place);
  assert.equal(kind('/home/me'), 'ext4');
  assert.equal(kind('/proc/x'), 'proc');
  assert.equal(kind('/process'), 'ext4');
  assert.equal(kind('/media/my disk/lab'), 'exfat');
});

test('a name that ends with a slash, or none at all, is a folder and no file', () => {
  for (const name of ['new/', '', './'])
    assert.throws(() => outputFile(name, 'the seed'), { code: 'output.kind', message: /names a folder/ });
  assert.equal(outputFile('/a/../b.iso', 'the seed'), '/b.iso');
});
