import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewManifest } from './manifest-view.ts';
import { sbomFault, sbomText } from './spdx.ts';
import { ARTIFACT, manifestOf, manifestTextOf, sha256 } from './testing/folder.ts';

const manifest = manifestOf();
const [artifact = { file: '', bytes: 0, sha256: '' }] = manifest.artifacts;
const text = sbomText(manifest, artifact);

interface Spdx {
  readonly [key: string]: unknown;
  readonly packages: readonly Record<string, unknown>[];
  readonly relationships: readonly Record<string, string>[];
}

test('the bill of materials has what SPDX 2.3 requires of a document and of each package', () => {
  const document = JSON.parse(text) as Spdx;
  assert.deepEqual(
    [document.spdxVersion, document.dataLicense, document.SPDXID, document.name],
    ['SPDX-2.3', 'CC0-1.0', 'SPDXRef-DOCUMENT', ARTIFACT],
  );
  assert.match(String(document.documentNamespace), /^https:\/\/[^#\s]+$/);
  assert.deepEqual(document.creationInfo, {
    created: '2026-01-01T00:00:00Z',
    creators: ['Tool: clusteros-build-0.1.0'],
  });
  const ids = document.packages.map(({ SPDXID }) => String(SPDXID));
  assert.equal(new Set(ids).size, ids.length);
  for (const each of document.packages) {
    assert.match(String(each.SPDXID), /^SPDXRef-[A-Za-z0-9.-]+$/);
    assert.equal(each.filesAnalyzed, false);
    for (const field of ['name', 'versionInfo', 'downloadLocation', 'licenseConcluded', 'copyrightText'])
      assert.ok(typeof each[field] === 'string' && each[field] !== '', field);
  }
  const known = new Set([...ids, 'SPDXRef-DOCUMENT']);
  for (const { spdxElementId = '', relatedSpdxElement = '' } of document.relationships) {
    assert.ok(known.has(spdxElementId) && known.has(relatedSpdxElement));
  }
  // Image, agent, and each package.
  assert.equal(document.packages.length, 2 + manifest.packages.length);
  assert.equal(document.relationships.length, document.packages.length);
});

test('packages are named by package URLs, with what URLs do not bear escaped', () => {
  assert.match(text, /"pkg:deb\/debian\/libstdc%2B%2B6@14\.2\.0-19\?arch=amd64&distro=debian-13"/);
  assert.match(text, /zlib1g@1%3A1\.3\.dfsg%2Breally1\.3\.1-1%2Bb1/);
});

test('a bill of materials that lacks what is inside the agent is noticed', () => {
  const zod = { name: 'zod', version: '4.6.7', license: 'MIT', purl: 'pkg:npm/zod@4.6.7' };
  const whole = manifestOf({ agent: { ...manifest.agent, components: [zod] } });
  assert.equal(sbomFault(sbomText(whole, artifact), whole, artifact), undefined);
  assert.match(sbomFault(text, whole, artifact) ?? '', /lacks zod 4\.6\.7, which is inside the agent/);
});

test('the same manifest gives the same text, and tells nothing else of the build', () => {
  assert.equal(sbomText(structuredClone(manifest), { ...artifact }), text);
  assert.ok(!text.includes(import.meta.dirname));
});

test('a bill of materials of another image, or of other packages, is noticed', () => {
  assert.equal(sbomFault(text, manifest, artifact), undefined);
  const [first, ...rest] = manifest.packages;
  const other = (changes: Parameters<typeof manifestOf>[0]) => sbomFault(text, manifestOf(changes), artifact);
  assert.match(String(other({ packages: rest })), /lists the package dbus/);
  assert.match(
    String(other({ packages: [{ ...(first ?? rest[0]), name: 'evil' } as never, ...manifest.packages] })),
    /lacks the package evil/,
  );
  assert.match(String(sbomFault(text, manifest, { ...artifact, sha256: sha256('x') })), /describes another/);
  assert.match(String(sbomFault(text, manifest, { ...artifact, file: 'y.iso' })), /does not describe/);
  assert.match(String(sbomFault('{', manifest, artifact)), /no JSON/);
  assert.match(String(sbomFault('{}', manifest, artifact)), /no SPDX/);
});

test('a manifest that names a file outside of its folder describes nothing', () => {
  assert.notEqual(typeof viewManifest(manifestTextOf(manifest)), 'string');
  for (const file of ['../x', '/etc/passwd', '..', 'a/b', '']) {
    const [one] = manifest.artifacts;
    const changed = manifestTextOf({ ...manifest, artifacts: [{ ...one, file } as never] });
    assert.equal(typeof viewManifest(changed), 'string', file);
  }
});
