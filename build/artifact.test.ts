import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { test } from 'node:test';
import { artifactFiles, makeArtifact } from './artifact.ts';
import { call, EPOCH, freshFolder, needs, output } from './assemble/testing/images.ts';
import { planOf } from './rootfs/testing/archive.ts';
import { isSound, verifyFolder } from './trust/verify.ts';

const STATUS = 'Package: dbus\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n';

test(
  'an image carries the licences, and its bill of materials what is inside the agent',
  needs('tar'),
  async (t) => {
    const work = freshFolder(t);
    const root = path.join(work, 'root', 'var', 'lib', 'dpkg');
    await fs.mkdir(root, { recursive: true });
    await fs.writeFile(path.join(root, 'status'), STATUS);
    const tar = path.join(work, 'packages.tar');
    output(['tar', '--create', '--format=pax', '--file', tar, '--directory', path.join(work, 'root'), '.']);
    await fs.writeFile(path.join(work, 'agent'), 'the agent');
    const plan = {
      ...planOf('http://archive.example/debian', { files: [], links: [], units: [], removes: [] }),
      target: 'docker' as const,
    };
    const made = await makeArtifact(plan, {
      packages: {
        key: 'k'.repeat(64),
        tar,
        archive: { date: EPOCH, releases: [] },
        epoch: EPOCH,
        cached: false,
      },
      agent: { file: path.join(work, 'agent'), sha256: '0'.repeat(64), version: '1', cached: false },
      key: 'a key',
      work,
      signal: new AbortController().signal,
      report: () => undefined,
      engine: 'direct',
      signKey: undefined,
    });
    assert.deepEqual(
      readdirSync(made.folder).sort(),
      artifactFiles(plan)
        .filter((name) => !name.endsWith('.minisig'))
        .sort(),
    );
    const { findings } = await verifyFolder(made.folder);
    assert.ok(isSound(findings), JSON.stringify(findings));
    assert.match(readFileSync(path.join(made.folder, `${made.file}.spdx.json`), 'utf8'), /pkg:npm\/zod@/);
    const image = path.join(work, 'image');
    await fs.mkdir(image);
    output(['tar', '-xf', path.join(made.folder, made.file), '-C', image]);
    const [layer] = JSON.parse(readFileSync(path.join(image, 'manifest.json'), 'utf8'))[0].Layers;
    const { stdout } = call(['tar', '-tf', path.join(image, layer)]);
    assert.match(stdout, /usr\/share\/doc\/clusteros\/LICENSE\n[\s\S]*clusteros\/THIRD-PARTY-NOTICES\.txt/);
  },
);
