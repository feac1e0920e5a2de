import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { planOf } from '../rootfs/testing/archive.ts';
import { checksumsText, digestOf, type ManifestInput, manifestText, readManifest } from './manifest.ts';
import { freshFolder, needs, output } from './testing/images.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const INPUT: ManifestInput = {
  key: 'the key',
  plan: planOf('http://mirror.example/debian', {
    files: [{ path: '/etc/own', mode: 0o644, text: 'our own text' }],
  }),
  engine: 'direct',
  archive: { releases: [{ suite: 'trixie', sha256: 'aa' }], date: 7 },
  epoch: 5,
  agent: { version: '1.2.3', sha256: 'bb' },
  packages: [{ name: 'dbus', version: '1', architecture: 'amd64', source: 'dbus' }],
  artifacts: [{ file: 'x.qcow2', bytes: 9, sha256: 'cc' }],
};

test('the manifest says what the artifact was made of', () => {
  const text = manifestText(INPUT);
  const found = JSON.parse(text) as Record<string, unknown>;
  assert.equal(found.key, 'the key');
  assert.equal(found.epoch, 5);
  assert.deepEqual(found.base, { name: 'debian-13', suites: [{ suite: 'trixie', sha256: 'aa' }] });
  assert.deepEqual(found.agent, { version: '1.2.3', sha256: 'bb' });
  assert.deepEqual(found.packages, INPUT.packages);
  assert.deepEqual(found.artifacts, INPUT.artifacts);
  assert.deepEqual(found.files, [{ path: '/etc/own', mode: '0644', sha256: sha256('our own text') }]);
  assert.match(JSON.stringify(found.tool), /"name":"clusteros-build","version":"\d+\.\d+\.\d+"/);
  assert.ok(text.endsWith('}\n'));
});

test('the manifest holds no text of a file, no mirror, no path of the build, and is the same every time', () => {
  const text = manifestText(INPUT);
  for (const hidden of ['our own text', 'mirror.example', import.meta.dirname]) {
    assert.ok(!text.includes(hidden), hidden);
  }
  assert.equal(manifestText(structuredClone(INPUT)), text);
});

test('the manifest says what the agent is, and not where it lies', () => {
  const agent = { ...INPUT.agent, file: '/home/me/.cache/agent', cached: true };
  assert.equal(manifestText({ ...INPUT, agent }), manifestText(INPUT));
});

test('a manifest is read back, and one that is cut off or edited describes nothing', () => {
  const text = manifestText(INPUT);
  const { key, artifacts, packages } = readManifest(text) ?? {};
  assert.deepEqual([key, artifacts?.[0]?.sha256, packages?.length], ['the key', 'cc', 1]);
  for (const other of [
    '',
    text.slice(0, -20),
    'null',
    '{}',
    '[]',
    '{"key":"the key"}',
    text.replace('"bytes": 9', '"bytes": "9"'),
  ]) {
    assert.equal(readManifest(other), undefined, other.slice(0, 40));
  }
});

test('sha256sum accepts the checksums', needs('sha256sum'), async (t) => {
  const folder = freshFolder(t);
  const content = Buffer.alloc(3 * 2 ** 20 + 17, 'content');
  writeFileSync(path.join(folder, 'a'), content);
  writeFileSync(path.join(folder, 'b'), '');
  const entries = await Promise.all(
    ['a', 'b'].map(async (file) => ({ file, ...(await digestOf(path.join(folder, file))) })),
  );
  assert.deepEqual(
    entries.map(({ bytes }) => bytes),
    [content.length, 0],
  );
  writeFileSync(path.join(folder, 'SHA256SUMS'), checksumsText(entries));
  const checked = output(['/bin/sh', '-c', 'cd "$0" && sha256sum --check --strict SHA256SUMS', folder]);
  assert.equal(checked, 'a: OK\nb: OK\n');
});
