import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { describeError, OperatorError } from './errors.ts';
import { assertMayPublish, publishFolder, withOutputFolder } from './output.ts';
import { manifestOf, manifestTextOf } from './trust/testing/folder.ts';

async function freshFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'output-test.'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A finished folder of some files that all say `text`. */
async function artifact(work: string, text: string): Promise<string> {
  const made = path.join(work, 'made');
  await mkdir(made);
  const artifacts: { file: string; bytes: number; sha256: string }[] = [];
  for (let index = 0; index < 20; index++) {
    const file = `file-${index}`;
    await writeFile(path.join(made, file), text);
    artifacts.push({ file, bytes: text.length, sha256: '0'.repeat(64) });
  }
  await writeFile(
    path.join(made, 'manifest.json'),
    JSON.stringify({ ...JSON.parse(manifestTextOf(manifestOf())), artifacts }),
  );
  return made;
}

async function contents(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith('file-'));
  return await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8')));
}

test('what is published appears whole, takes the place of an earlier one, and nothing else stays', async (t) => {
  const output = path.join(await freshFolder(t), 'dist');
  const place = path.join(output, 'image');
  for (const text of ['first', 'second']) {
    const value = await withOutputFolder(output, async (work) => {
      await publishFolder(await artifact(work, text), place, work);
      return text;
    });
    assert.equal(value, text);
    assert.deepEqual(await contents(place), new Array(20).fill(text));
    assert.deepEqual(await readdir(output), ['image']);
  }
});

test('of builds that publish at once the place holds one, whole', async (t) => {
  const output = await freshFolder(t);
  const place = path.join(output, 'image');
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      ['one', 'two', 'three', 'four'].map((text) =>
        withOutputFolder(output, async (work) => publishFolder(await artifact(work, text), place, work)),
      ),
    );
    const found = await contents(place);
    assert.equal(found.length, 20);
    assert.equal(new Set(found).size, 1, `${found}`);
    assert.deepEqual(await readdir(output), ['image']);
  }
});

test('a build that fails leaves the earlier artifact and nothing half-made', async (t) => {
  const output = await freshFolder(t);
  const place = path.join(output, 'image');
  await withOutputFolder(output, async (work) => publishFolder(await artifact(work, 'good'), place, work));
  const failing = withOutputFolder(output, async (work) => {
    await artifact(work, 'bad');
    throw new Error('no more');
  });
  await assert.rejects(failing, /no more/);
  assert.deepEqual(await contents(place), new Array(20).fill('good'));
  assert.deepEqual(await readdir(output), ['image']);
});

test('a file that no manifest names stays in the folder of an artifact that is made again', async (t) => {
  const output = await freshFolder(t);
  const place = path.join(output, 'image');
  await mkdir(path.join(place, 'rack'), { recursive: true });
  await writeFile(path.join(place, 'NOTES.md'), 'tested on rack 4');
  await writeFile(path.join(place, 'rack', '4'), 'mine');
  for (const text of ['first', 'second']) {
    await withOutputFolder(output, async (work) => publishFolder(await artifact(work, text), place, work));
    assert.deepEqual(await contents(place), new Array(20).fill(text));
    assert.equal(await readFile(path.join(place, 'NOTES.md'), 'utf8'), 'tested on rack 4');
    assert.equal(await readFile(path.join(place, 'rack', '4'), 'utf8'), 'mine');
  }
});

test("a stranger's file of an artifact's name is refused before the work, unless forced", async (t) => {
  const place = path.join(await freshFolder(t), 'image');
  await mkdir(place);
  await writeFile(path.join(place, 'file-1'), 'mine');
  await assert.rejects(assertMayPublish(place, ['file-1'], false), { code: 'output.exists' });
  await assertMayPublish(place, ['file-1'], true);
  await assertMayPublish(place, ['file-2'], false);
});

test("a dead build's leftovers are removed, a living one's and a stranger's are not", async (t) => {
  const output = await freshFolder(t);
  const all = path.join(output, '.work');
  const { pid = 0 } = spawnSync('true');
  const living = `1-${await startOf(1)}.abc`;
  for (const name of [`${pid}-12345.abc`, `1-1.abc`, 'nobody', living]) {
    await mkdir(path.join(all, name, 'half'), { recursive: true });
  }
  await withOutputFolder(output, async (work) => {
    assert.deepEqual((await readdir(all)).sort(), [living, 'nobody', path.basename(work)].sort());
  });
  assert.deepEqual((await readdir(all)).sort(), [living, 'nobody'].sort());
});

async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

test('an output folder that cannot be is one clear error, before any work', async (t) => {
  const folder = await freshFolder(t);
  const file = path.join(folder, 'file');
  await writeFile(file, '');
  const closed = path.join(folder, 'closed');
  await mkdir(closed);
  await chmod(closed, 0o500);
  // Modes do not hold root back.
  const places = [path.join(file, 'dist'), ...(process.getuid?.() === 0 ? [] : [path.join(closed, 'dist')])];
  for (const place of places) {
    const use = () => assert.fail('the work began');
    await assert.rejects(withOutputFolder(place, use), (error) => {
      assert.ok(error instanceof OperatorError);
      assert.deepEqual([error.code, error.exit], ['file.unwritable', 'storage']);
      assert.match(describeError(error), new RegExp(`^clusteros: cannot make the folder ${place}`));
      return true;
    });
  }
});

test('a place that cannot be taken is an error, and the finished folder does not stay half there', async (t) => {
  const output = await freshFolder(t);
  const file = path.join(output, 'file');
  await writeFile(file, 'mine');
  const publish = withOutputFolder(output, async (work) =>
    publishFolder(await artifact(work, 'text'), path.join(file, 'image'), work),
  );
  await assert.rejects(publish, { code: 'file.unwritable' });
  assert.deepEqual(await readdir(output), ['file']);
  assert.equal(await readFile(file, 'utf8'), 'mine');
});
