import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { runCli } from '../cli/testing/run-cli.ts';
import type { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import { ARTIFACT, artifactFolder } from '../trust/testing/folder.ts';
import { assertSeedExists } from './seed-onto.ts';
import { openSource } from './source.ts';
import { freshFolder, needsLoops, plugIn } from './testing/sticks.ts';

const MIB = 1024 * 1024;

test('a block map that the signer did not sign is not followed', needsLoops(), async (t) => {
  const folder = await artifactFolder((clean) => t.after(clean));
  const work = freshFolder(t);
  const key = path.join(work, 'release.key');
  assert.equal((await runCli('sign-key', 'create', key)).code, 0);
  assert.equal((await runCli('sign', folder, '--sign-key', key)).code, 0);
  const stick = plugIn(t, work, 8 * MIB);
  const image = path.join(folder, ARTIFACT);
  await files.writeAtomic(`${image}.bmap`, '<bmap version="2.0"/>');
  const pub = path.join(work, 'release.pub');
  const { code, stderr } = await runCli('flash', '--allow-loop', stick.path, image, '--key', pub);
  assert.equal(code, 8, stderr);
  assert.match(stderr, /bmap: the block map is not among what was signed/);
});

test('what is packed is refused by its content, whatever its name, before anything is written', async (t) => {
  const folder = freshFolder(t);
  for (const [start, fix] of [
    ['\xfd7zXZ\0', /unxz --keep/],
    ['\x1f\x8b', /gunzip/],
    ['PK\x03\x04', /unzip/],
    ['QFI\xfb', /qemu-img convert/],
    ['\x28\xb5\x2f\xfd', /unzstd/],
    [`${'x'.repeat(257)}ustar`, /tar xf/],
  ] as const) {
    const file = path.join(folder, 'disk.img');
    writeFileSync(file, Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(2 * MIB)]));
    await assert.rejects(openSource(file, false), (error: OperatorError) => {
      assert.equal(error.code, 'flash.image');
      assert.match(error.fix ?? '', fix);
      return true;
    });
  }
});

test('a file that is no volume is refused as a seed before anything is written', async (t) => {
  const file = path.join(freshFolder(t), 'seed.img');
  for (const bytes of [Buffer.from('#cloud-config\n'), Buffer.alloc(64 * 1024)]) {
    writeFileSync(file, bytes);
    await assert.rejects(assertSeedExists(file), { code: 'flash.seed', message: /neither a FAT volume/ });
  }
});
