import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import * as z from 'zod';
import { installSchema, parseInstallSettings } from '../agent/installer/settings.ts';

/** The manual of the installer says what the installer says. */

const ROOT = path.join(import.meta.dirname, '..');
const manual = readFileSync(path.join(ROOT, 'docs/install.md'), 'utf8');

test('the manual explains every setting of install.yaml, and its example is understood', () => {
  const named = [...manual.matchAll(/^\| `([\w.]+)`/gm)].map(([, name]) => name);
  const { properties } = z.toJSONSchema(installSchema) as {
    properties: Record<string, { properties?: object }>;
  };
  const settings = Object.entries(properties).flatMap(([name, { properties: inner }]) =>
    inner === undefined ? [name] : Object.keys(inner).map((key) => `${name}.${key}`),
  );
  assert.ok(settings.length >= 7, settings.join());
  assert.deepEqual(
    settings.filter((name) => !named.includes(name)),
    [],
  );
  const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(manual) ?? [];
  const parsed = parseInstallSettings('install.yaml', example);
  assert.ok('settings' in parsed && parsed.settings.unattended, JSON.stringify(parsed));
});

test('what the manual says that installer and flash say is what they say', () => {
  // What is put together from parts is in the tests and their goldens as a whole.
  const sources = globSync(['agent/installer/**', 'build/flash/**', 'test/integration/installer.test.ts'], {
    cwd: ROOT,
  })
    .filter((file) => /\.(ts|golden)$/.test(file))
    .map((file) => readFileSync(path.join(ROOT, file), 'utf8').replaceAll('\\', ''))
    .join('\n');
  const tables = [...manual.matchAll(/^\| it says[^\n]*\n\|[^\n]*\n((?:\|[^\n]*\n)+)/gm)];
  assert.equal(tables.length, 2);
  const cells = tables.flatMap(([, rows = '']) =>
    rows
      .trim()
      .split('\n')
      .map((row) => row.split('|')[1] ?? ''),
  );
  const phrases = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, phrase = '']) => phrase));
  assert.ok(phrases.length > 15, phrases.join('\n'));
  // Without what is filled in: places, sizes, kinds.
  const fixed = phrases.flatMap((phrase) => phrase.split(/\.\.\.|4\.0 GB|8 GB|\(gpt\),|:/));
  const unsaid = fixed.map((part) => part.trim()).filter((part) => part !== '' && !sources.includes(part));
  assert.deepEqual(unsaid, []);
});
