import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { NODE_PORTS } from '../../agent/config/ports.ts';
import { DEFAULT_SETTINGS, settingFields, settingsSchema } from '../../agent/config/settings.ts';
import { keysBelow } from '../../settings/check.ts';
import { valueAt } from '../../settings/mistakes.ts';
import { checkDefinition } from './load.ts';
import { definitionSchema, jsonSchemaText } from './schema.ts';
import { definitionTemplate } from './template.ts';

function settingsOf(text: string | Uint8Array) {
  const result = checkDefinition(Buffer.from(text));
  assert.ok('settings' in result, JSON.stringify(result));
  return result.settings;
}

test('the JSON Schema for editors is the one that the code makes (else: npm run schema)', () => {
  const file = path.join(import.meta.dirname, 'cluster.schema.json');
  assert.equal(readFileSync(file, 'utf8'), jsonSchemaText());
});

test('the file that init writes is the default with a name', () => {
  const text = definitionTemplate('lab', '../x.json');
  assert.deepEqual(settingsOf(text), { ...definitionSchema.parse({}), name: 'lab' });
  assert.match(text, /^# yaml-language-server: \$schema=\.\.\/x\.json\n/);
});

test('every setting of the file that init writes may be uncommented', () => {
  const text = definitionTemplate('lab', '../x.json');
  const uncommented = text.replace(/^# ( *(?:# |[a-z_]+:|-| +W))/gm, '$1');
  const settings = settingsOf(uncommented);
  assert.deepEqual(settings.packages, ['htop']);
  assert.deepEqual(settings.files, [{ path: '/etc/motd', mode: '0644', text: 'Welcome.\n' }]);
  for (const key of Object.keys(definitionSchema.shape))
    assert.match(uncommented, new RegExp(`^${key}:`, 'm'));
});

test('every example is a definition', () => {
  const folder = path.join(import.meta.dirname, '..', '..', 'examples');
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  assert.ok(names.length >= 3);
  for (const name of names) settingsOf(readFileSync(path.join(folder, name)));
});

test('what a definition says about nodes is what the agent understands', () => {
  const { node, name } = settingsOf('name: lab\nnode: {mesh: {port: 5182}, consensus: {expect: 3}}');
  const settings = settingsSchema.parse({ cluster: { name }, ...node });
  assert.equal(settings.mesh.port, 5182);
  assert.equal(settings.consensus.expect, 3);
  assert.equal(settings.cluster.name, 'lab');
});

test('every setting of a node but name, cluster and the order to begin may stand below node:', () => {
  const own = settingFields().map(({ path }) => path.join('.'));
  const below = own.filter((name) => {
    const path = name.split('.');
    return keysBelow(definitionSchema, ['node', ...path.slice(0, -1)]).includes(path.at(-1) ?? '');
  });
  assert.deepEqual(
    own.filter((name) => !below.includes(name)),
    ['name', 'cluster.name', 'consensus.bootstrap'],
  );
  const text = 'node: {firewall: {open: [tcp/80]}, roles: {lease: 20}, metrics: {port: 9000}}';
  assert.deepEqual(settingsOf(text).node.firewall.open, ['tcp/80']);
});

test('the table of ports has every port of the settings, with its default', () => {
  const ports = settingFields().filter(({ path }) => path.at(-1)?.endsWith('port'));
  assert.deepEqual(
    ports.map(({ path }) => path.join('.')).sort(),
    NODE_PORTS.map(({ path }) => path.join('.')).sort(),
  );
  for (const { path, initial } of NODE_PORTS) assert.equal(valueAt(DEFAULT_SETTINGS, path), initial);
});
