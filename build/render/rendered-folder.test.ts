import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { cleanFolder } from '../cli/clean.ts';
import { files } from '../host.ts';
import { writeProgram } from '../program-file.ts';
import { artifactFolder } from '../trust/testing/folder.ts';
import { assertMayRender, writeRendered } from './rendered-folder.ts';

const work = await files.makeWorkFolder(tmpdir(), 'cosrendered');
after(() => files.remove(work));
const FILES = ['README.md', 'upload/layers/a', 'upload/settings'].map((place) => ({
  path: place,
  mode: 0o644,
  text: `of ${place}\n`,
}));
const NAMES = FILES.map((file) => file.path);

test("a folder that holds a user's README.md is refused as a whole, with every name in the way", async () => {
  const output = path.join(work, 'theirs');
  await files.writeAtomic(path.join(output, 'README.md'), '# ours\n');
  await files.writeAtomic(path.join(output, 'upload/settings'), 'theirs\n');
  await assert.rejects(assertMayRender(output, NAMES, false), (error: { code: string; evidence: string }) => {
    assert.equal(error.code, 'output.exists');
    assert.match(error.evidence, /README\.md\n.*upload\/settings/);
    return true;
  });
});

test('a strange file below upload/ is neither removed nor silently taken into the image', async () => {
  const output = path.join(work, 'strange');
  await writeRendered(output, FILES);
  await files.writeAtomic(path.join(output, 'upload/site.conf'), 'x\n');
  await assert.rejects(assertMayRender(output, NAMES, false), { code: 'render.upload' });
  await assertMayRender(output, NAMES, true);
  await writeRendered(output, FILES.slice(0, 2));
  assert.equal(await files.readText(path.join(output, 'upload/site.conf')), 'x\n');
  assert.equal(await files.exists(path.join(output, 'upload/settings')), false);
});

test('what was rendered is replaced, what was edited since is not', async () => {
  const output = path.join(work, 'ours');
  await writeRendered(output, FILES);
  await assertMayRender(output, NAMES, false);
  await files.writeAtomic(path.join(output, 'upload/settings'), 'edited\n');
  await assert.rejects(assertMayRender(output, NAMES, false), { code: 'output.exists' });
});

test('clean removes what manifests of ours name, and tells what it leaves', async () => {
  const dist = path.join(work, 'dist');
  const made = await artifactFolder(() => undefined);
  await files.copyTree(made, path.join(dist, 'lab-debian-13-amd64'));
  await files.remove(made);
  await writeRendered(path.join(dist, 'packer'), FILES);
  const program = path.join(work, 'program');
  await files.writeAtomic(program, 'a program');
  const sha256 = 'd6b1ccadee5d4c5d3d4e3bbd4bb1e0d7a6b2a1a2bbd0c6d6d0b5a0b5c0a7f7a1';
  await writeProgram({ file: program, sha256 }, path.join(dist, 'changed-agent'));
  await files.writeAtomic(path.join(dist, 'app.js'), 'app\n');
  await files.writeAtomic(path.join(dist, 'lab-debian-13-amd64', 'NOTES.md'), 'rack 4\n');
  const left = (await cleanFolder(dist)).map((file) => path.relative(dist, file)).sort();
  assert.deepEqual(left, ['app.js', 'changed-agent', 'changed-agent.sha256', 'lab-debian-13-amd64/NOTES.md']);
  assert.equal(await files.exists(path.join(dist, 'packer')), false);
});
