import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needsIn } from './collect.ts';
import { parseCommand } from './command.ts';
import { deepIn } from './depth-list.ts';
import { overBudget } from './times.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

test('a file says what it needs, and a word that is not understood is an error that names the file', () => {
  assert.deepEqual(needsIn('x', '// needs: images, cpu 1.5, memory 3 GiB\n'), {
    ...{ cpu: 1.5, memoryMiB: 3072, images: true },
  });
  assert.deepEqual(needsIn('x', 'no such line'), { cpu: 1, memoryMiB: 400, images: false });
  assert.throws(() => needsIn('some.test.ts', '// needs: 3 cpus\n'), /some\.test\.ts: "needs: 3 cpus"/);
});

test('words that are no files, kinds or flags are refused', () => {
  assert.deepEqual(parseCommand(['--al']), { unknown: '--al' });
  const command = parseCommand(['unit', 'a.test.ts', '--name', 'of a node']);
  assert.ok(!('unknown' in command));
  assert.deepEqual(
    [command.kinds, command.files, command.namePatterns],
    [['unit'], ['a.test.ts'], ['of a node']],
  );
});

test('depth is found in the sources, over lines too', () => {
  const call = ['dep', 'th('].join('');
  const source = `skip: ${call}'one thing', 3)\nconst N = howMany(\n  1,\n  1_000,\n  'another',\n  0.5,\n);`;
  assert.deepEqual(deepIn('f', source), [
    { file: 'f', what: 'one thing', minutes: 3 },
    { file: 'f', what: 'another', minutes: 0.5 },
  ]);
});

test('a file over twice its budget is named, a few seconds are not counted', () => {
  const seen = new Map([
    ['long', 100],
    ['well', 79],
    ['short', 5],
    ['unknown', 30],
  ]);
  assert.deepEqual(overBudget(seen, { long: 40, well: 40, short: 1 }), [
    'long took 100 s, its budget is 40 s',
    'unknown took 30 s, its budget is 1 s',
  ]);
});

describe('a run', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(ROOT, '.cache', 'runner-test-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const ran = (text: string) => {
    const file = path.join(folder, 'sample.test.ts');
    writeFileSync(file, `import { test } from 'node:test';\n${text}`);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const argv = [path.join(import.meta.dirname, 'main.ts'), file];
    const { stdout, status } = spawnSync(process.execPath, argv, { cwd: ROOT, env, encoding: 'utf8' });
    return { stdout, status, last: stdout.trimEnd().split('\n').at(-1) };
  };

  test('that fails ends with what failed, where, and the place of all that was said', () => {
    const { stdout, status, last } = ran(
      "test('a thing', () => {\n  process.stderr.write('more: /tmp/clusteros-transcripts/x.txt\\n');\n  throw new Error('of a kind');\n});\ntest('another', () => {});\n",
    );
    assert.equal(last, '1 passed, 1 failed');
    assert.equal(status, 1);
    assert.match(
      stdout,
      /once more, what failed:\n✖ a thing \(\.cache\/runner-test-\w+\/sample\.test\.ts:2\)\n.*of a kind/,
    );
    assert.match(stdout, /all that it said: \S+sample\.test\.ts\.log/);
  });

  test('that skips says how many and why', () => {
    const { stdout, status, last } = ran(
      "test('a thing', { skip: 'not root' }, () => {});\ntest('other', { skip: 'not root' }, () => {});\ntest('third', () => {});\n",
    );
    assert.match(stdout, /^skipped: 2, not root$/m);
    assert.equal(last, '1 passed, 0 failed');
    assert.equal(status, 0);
  });

  test('of a file without tests, or one that cannot be read, fails', () => {
    assert.equal(ran('').last, '0 passed, 1 failed');
    assert.equal(ran("import './not-there.ts';\n").last, '0 passed, 1 failed');
  });
});
