import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { matchesGolden } from '../../qemu/golden.ts';
import { ownerLives } from '../cache/owner.ts';
import { parseDpkgStatus } from './dpkg-status.ts';
import { hookEnvironment, mmdebstrapArgv, type Places } from './mmdebstrap.ts';
import { planOf } from './testing/archive.ts';
import { memoryAvailable, withWorkFolder } from './work-folder.ts';

const PLAN = planOf('http://mirror.example/debian');
const PLACES: Places = {
  work: '/c/work/root',
  tmpfsBytes: 3 * 2 ** 30,
  tar: '/c/work/half/packages.tar',
  recipe: import.meta.dirname,
};
const HERE = import.meta.dirname;

for (const [name, plan, places, asRoot] of [
  ['root-tmpfs', PLAN, PLACES, true],
  ['root-disk', PLAN, { ...PLACES, tmpfsBytes: undefined }, true],
  ['user', PLAN, { ...PLACES, tmpfsBytes: undefined }, false],
  ['snapshot', { ...PLAN, apt: { ...PLAN.apt, snapshot: '20260101T000000Z' } }, PLACES, true],
] as const) {
  test(`the command for ${name} is as reviewed`, async () => {
    const text = mmdebstrapArgv(plan, places, asRoot).join('\n').replaceAll(HERE, '<rootfs>');
    await matchesGolden(new URL(`goldens/${name}.golden`, import.meta.url), `${text}\n`);
  });
}

test('the hooks are told the time, the base and the folders', () => {
  const env: Record<string, string> = hookEnvironment(PLAN, 5, { work: '/w', debs: '/d', node: '/n' });
  assert.deepEqual(
    ['SOURCE_DATE_EPOCH', 'TMPDIR', 'CLUSTEROS_BASE', 'CLUSTEROS_DEBS', 'CLUSTEROS_INITRAMFS'].map(
      (name) => env[name],
    ),
    ['5', '/w', 'debian-13', '/d', PLAN.initramfs],
  );
});

const paragraph = (name: string, state: string, more = '') =>
  `Package: ${name}\nStatus: ${state}\nArchitecture: amd64\n${more}Version: 1.0-1\nDescription: a thing\n with Package: lines\n`;

test("dpkg's status gives the installed packages by name, with their sources", () => {
  const text = [
    paragraph('zlib1g', 'install ok installed', 'Source: zlib (1:1.3)\n'),
    paragraph('adduser', 'hold ok installed'),
    paragraph('gone', 'deinstall ok config-files'),
    paragraph('purged', 'purge ok not-installed'),
  ].join('\n');
  assert.deepEqual(parseDpkgStatus(text), [
    { name: 'adduser', version: '1.0-1', architecture: 'amd64', source: 'adduser' },
    { name: 'zlib1g', version: '1.0-1', architecture: 'amd64', source: 'zlib (1:1.3)' },
  ]);
  assert.deepEqual(parseDpkgStatus(''), []);
});

test('a package that is not wholly installed is refused by name', () => {
  for (const state of [
    'install ok half-configured',
    'install ok half-installed',
    'install ok unpacked',
    'install ok triggers-pending',
    'install ok triggers-awaited',
    'install reinstreq installed',
    'deinstall reinstreq config-files',
  ]) {
    const text = `${paragraph('good', 'install ok installed')}\n${paragraph('bad', state)}`;
    assert.throws(() => parseDpkgStatus(text), new RegExp(`bad is left in the state "${state}"`));
  }
  assert.throws(() => parseDpkgStatus('Package: x\nVersion: 1\n'), /x is left in the state "undefined"/);
});

test('the free memory is read from the kernel, and none is seen where it is not told', () => {
  assert.equal(memoryAvailable('MemTotal:  99 kB\nMemAvailable:   24576 kB\nBuffers: 1 kB\n'), 24_576 * 1024);
  assert.equal(memoryAvailable('MemTotal:  99 kB\n'), 0);
  assert.equal(memoryAvailable(''), 0);
});

test('a work folder carries the name of its owner, and is gone afterwards', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'work-test.'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'half'));
  const work = await withWorkFolder(path.join(folder, 'half'), async (place) => {
    assert.equal(await ownerLives(path.basename(place.work)), true);
    assert.ok(existsSync(place.work));
    return place.work;
  });
  assert.equal(existsSync(work), false);
});
