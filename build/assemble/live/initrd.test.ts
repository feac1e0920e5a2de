import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { EPOCH, needs, output } from '../testing/images.ts';
import { initrdArchive } from './initrd.ts';

const FILES = [
  { path: 'scripts/one', mode: 0o644, text: 'mountroot() { :; }\n' },
  { path: 'scripts/more/two', mode: 0o755, text: '' },
];

test('cpio reads the archive, with folders, modes and times', needs('cpio'), () => {
  const archive = initrdArchive(FILES, EPOCH);
  assert.equal(archive.length % 512, 0);
  const { status, stdout, stderr } = spawnSync('cpio', ['--list', '--verbose', '--numeric-uid-gid'], {
    input: archive,
    env: { TZ: 'UTC', LC_ALL: 'C', PATH: process.env.PATH },
  });
  assert.equal(status, 0, String(stderr));
  const lines = String(stdout).trim().split('\n');
  assert.equal(lines.length, 4);
  assert.match(lines[0] ?? '', /^drwxr-xr-x +\S+ +0 +0 +0 Nov 14 +2023 scripts$/);
  assert.match(lines[2] ?? '', /^-rw-r--r-- +\S+ +0 +0 +19 Nov 14 +2023 scripts\/one$/);
  assert.match(lines[3] ?? '', /^-rwxr-xr-x .* scripts\/more\/two$/);
});

test('the same files give the same bytes', () => {
  assert.ok(initrdArchive(FILES, EPOCH).equals(initrdArchive(FILES, EPOCH)));
});

test('the script of the live system is one that a plain shell reads', () => {
  output(['sh', '-n', new URL('live-boot.sh', import.meta.url).pathname]);
});
