import assert from 'node:assert/strict';
import * as path from 'node:path';
import { test } from 'node:test';
import { runCli } from '../cli/testing/run-cli.ts';
import { files } from '../host.ts';
import { ARTIFACT, artifactFolder } from '../trust/testing/folder.ts';
import { freshFolder, needsLoops, plugIn } from './testing/sticks.ts';

test('a block map that the signer did not sign is not followed', needsLoops(), async (t) => {
  const folder = await artifactFolder((clean) => t.after(clean));
  const work = freshFolder(t);
  const key = path.join(work, 'release.key');
  assert.equal((await runCli('sign-key', 'create', key)).code, 0);
  assert.equal((await runCli('sign', folder, '--sign-key', key)).code, 0);
  const stick = plugIn(t, work, 8 * 1024 * 1024);
  const image = path.join(folder, ARTIFACT);
  await files.writeAtomic(`${image}.bmap`, '<bmap version="2.0"/>');
  const pub = path.join(work, 'release.pub');
  const { code, stderr } = await runCli('flash', '--allow-loop', stick.path, image, '--key', pub);
  assert.equal(code, 8, stderr);
  assert.match(stderr, /bmap: the block map is not among what was signed/);
});
