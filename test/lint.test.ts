import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

/**
 * The rules of the house that a program can hold us to. Tests may use node:fs and node:child_process themselves:
 * they prepare and inspect what the gateways do. bin/ runs before node_modules exists, and has built-ins only.
 */

const ROOT = path.join(import.meta.dirname, '..');
const FOLDERS = '{build,packer,image-layers,firstboot,agent,settings,qemu,test,bench,bin}';
const GATEWAYS = /^(build\/host|agent\/host)(\/|\.ts$)/;
const EFFECTS =
  /from '(execa|undici|node:fs|node:fs\/promises|node:child_process)'|import\('(execa|undici|node:fs|node:child_process)/;
const LONGEST = 300;

const sources = globSync(`${FOLDERS}/**/*.{ts,mjs}`, { cwd: ROOT }).sort();
const isTest = (file: string) => file.endsWith('.test.ts') || /(^|\/)(test|testing|bench)\//.test(file);
const textOf = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

test('only the gateways touch processes, files and the network', () => {
  const offenders = sources.filter(
    (file) => !isTest(file) && !GATEWAYS.test(file) && !file.startsWith('bin/') && EFFECTS.test(textOf(file)),
  );
  assert.deepEqual(offenders, []);
});

test('bin/ imports nothing that must be installed first', () => {
  for (const file of sources.filter((name) => /^bin\/.*\.mjs$/.test(name))) {
    for (const [, from = ''] of textOf(file).matchAll(/\bfrom '([^']+)'/g)) {
      assert.match(from, /^(node:|\.\/[\w-]+\.mjs$)/, `${file} imports ${from}`);
    }
  }
});

test('no program is started through a shell', () => {
  const word = ['shell:', 'true'].join(' ');
  assert.deepEqual(
    sources.filter((file) => textOf(file).includes(word)),
    [],
  );
});

test('an import of TypeScript names its file with .ts', () => {
  const offenders = sources.flatMap((file) =>
    [...textOf(file).matchAll(/\bfrom '(\.[^']*)'/g)].map(([, from = '']) => ({ file, from })),
  );
  assert.deepEqual(
    offenders.filter(({ from }) => !/\.(ts|mjs|json)$/.test(from)),
    [],
  );
});

test(`no file is longer than ${LONGEST} lines`, () => {
  const lengths = sources.map((file) => ({ file, lines: textOf(file).split('\n').length - 1 }));
  assert.deepEqual(
    lengths.filter(({ lines }) => lines > LONGEST),
    [],
  );
});

for (const [sentence, ...command] of [
  ['the types are sound', 'node_modules/typescript/bin/tsc', '--noEmit'],
  [
    'the code is formatted and free of lint',
    'node_modules/@biomejs/biome/bin/biome',
    'check',
    '--error-on-warnings',
    '.',
  ],
] as const) {
  test(sentence, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...command], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
  });
}
