import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { CLOUD_CONDITIONS, CLOUD_SEED, FOLLOW_USER_DATA } from '../firstboot/cloud-config.ts';
import { FIRST_BOOT_FILES } from './first-boot.ts';

/** A machine's file system in a folder, where the image's own scripts run. */
function machine(t: TestContext) {
  const root = mkdtempSync(path.join(tmpdir(), 'first-boot.'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const at = (place: string) => path.join(root, place);
  const put = (place: string, text: string, mode = 0o600) => {
    mkdirSync(path.dirname(at(place)), { recursive: true });
    writeFileSync(at(place), text, { mode });
  };
  put('run/clusteros/.here', '');
  return {
    at,
    put,
    /** A program of the machine that says this, in the place of the real one. */
    stub: (name: string, text: string) => put(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755),
    /** Its folders instead of the real ones; see the scripts. */
    script: (name: string) => {
      const { text } = FIRST_BOOT_FILES.find((file) => file.path === `/usr/lib/clusteros/${name}`) ?? {};
      assert.ok(text);
      put(name, text.replaceAll(/(?<![\w/}])\/(run|var|etc)\//g, `${root}/$1/`), 0o755);
      chmodSync(at(name), 0o755);
      return at(name);
    },
    read: (place: string) => (existsSync(at(place)) ? readFileSync(at(place), 'utf8') : undefined),
    seed: (userData: string) => {
      rmSync(at('run/clusteros'), { recursive: true, force: true });
      put('run/clusteros/seed/meta-data', 'instance-id: x\n');
      put('run/clusteros/seed/user-data', userData);
      put('run/clusteros/seed/clusteros/cluster.key', 'secret\n');
    },
  };
}

/** One boot with this seed: what cloud-init would read, or why it was kept from it. */
function boot(it: ReturnType<typeof machine>, userData: string): string | undefined {
  it.seed(userData);
  const { status, stderr } = spawnSync(it.script('admit-user-data'), { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  const taken = it.read(`${CLOUD_SEED}/user-data`);
  const ignored = it.read('run/clusteros/user-data-ignored');
  assert.notEqual(taken === undefined, ignored === undefined, 'either taken, or told why not');
  for (const condition of CLOUD_CONDITIONS) assert.equal(existsSync(it.at(condition)), taken !== undefined);
  return taken;
}

test("user-data is taken from a machine's first seed, and from no other one after it", (t) => {
  const it = machine(t);
  assert.equal(boot(it, 'first'), 'first');
  assert.equal(boot(it, 'evil'), undefined);
  assert.match(it.read('run/clusteros/user-data-ignored') ?? '', /only the first seed/);
  // The first one is what it was, also after a power cut in the middle of the first boot.
  assert.equal(boot(it, 'first'), 'first');
  assert.equal(existsSync(it.at('run/clusteros/cloud/clusteros')), false, 'the key is not copied');
});

test('another network-config or vendor-data makes another seed: cloud-init obeys those too', (t) => {
  for (const name of ['network-config', 'vendor-data', 'meta-data']) {
    const it = machine(t);
    boot(it, 'first');
    it.seed('first');
    it.put(`run/clusteros/seed/${name}`, 'other');
    execFileSync(it.script('admit-user-data'));
    assert.equal(it.read(`${CLOUD_SEED}/user-data`), undefined, name);
  }
});

test('a machine that has a cluster and never had a seed takes no user-data, a new one does', (t) => {
  const it = machine(t);
  it.put('etc/ssh/ssh_host_ed25519_key', 'x');
  assert.equal(boot(it, 'late'), 'late', 'without a key nobody owns it yet');
  const owned = machine(t);
  owned.put('etc/ssh/ssh_host_ed25519_key', 'x');
  owned.put('var/lib/clusteros/cluster.key', 'x');
  assert.equal(boot(owned, 'evil'), undefined);
  const installed = machine(t);
  installed.put('var/lib/clusteros/cluster.key', 'x');
  assert.equal(boot(installed, 'moved'), 'moved', 'the installer leaves the key before the first start');
});

test('where the definition says always, the user-data of a later seed is taken too', (t) => {
  const it = machine(t);
  it.put(FOLLOW_USER_DATA, '');
  assert.equal(boot(it, 'first'), 'first');
  assert.equal(boot(it, 'second'), 'second');
});

test('what cloud-init reads is what was judged, and stays it until the next boot', (t) => {
  const it = machine(t);
  boot(it, 'first');
  it.put('run/clusteros/seed/user-data', 'exchanged');
  execFileSync(it.script('admit-user-data'));
  assert.equal(it.read(`${CLOUD_SEED}/user-data`), 'first');
});

test('user-data is read however an editor saved it, and whatever the size of its letters', (t) => {
  const text = '#cloud-config\nusers: [{name: j\u00f6rg}]\n';
  const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
  for (const bytes of [
    Buffer.from(text),
    Buffer.from(`\ufeff${text}`),
    utf16,
    utf16.subarray(2),
    Buffer.from(utf16).swap16(),
    Buffer.from(utf16.subarray(2)).swap16(),
  ]) {
    const it = machine(t);
    it.seed('');
    rmSync(it.at('run/clusteros/seed/user-data'));
    writeFileSync(it.at('run/clusteros/seed/USER-DATA'), bytes);
    const { status, stderr } = spawnSync(it.script('admit-user-data'), { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(it.read(`${CLOUD_SEED}/user-data`), text);
  }
  const odd = machine(t);
  odd.seed('x');
  writeFileSync(odd.at('run/clusteros/seed/user-data'), Buffer.of(0xff, 0xfe, 0x00, 0xd8));
  spawnSync(odd.script('admit-user-data'), { encoding: 'utf8' });
  assert.equal(
    existsSync(odd.at(`${CLOUD_SEED}/user-data`)),
    true,
    'what cannot be read is left for cloud-init to tell',
  );
});

/** A machine with these volumes, where mount(8) and findmnt(8) only say what they were asked. */
function withVolumes(t: TestContext, volumes: readonly { fstype: string; label: string; probed?: string }[]) {
  const it = machine(t);
  const lines = volumes.map(({ fstype, label }, index) => `/dev/sd${index} ${fstype} ${label}`);
  it.stub(
    'lsblk',
    `case "$*" in *FSTYPE*) printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} ;; esac`,
  );
  const probes = volumes.map(({ fstype, probed = fstype }, index) => `*/dev/sd${index}) echo ${probed} ;;`);
  it.stub('blkid', `case "$*" in ${probes.join(' ')} esac`);
  it.stub('mount', 'echo "$*"');
  for (const name of ['findmnt', 'udevadm']) it.stub(name, ':');
  const env = { PATH: `${it.at('bin')}:/usr/bin:/bin` };
  return spawnSync(it.script('mount-seed'), { env, encoding: 'utf8' });
}

test('a seed is FAT or ISO 9660, mounted as that, read-only and with nothing to run', (t) => {
  const vfat = withVolumes(t, [{ fstype: 'vfat', label: 'CIDATA' }]);
  assert.match(
    vfat.stdout,
    /^-t vfat -o ro,nosuid,nodev,noexec,umask=0077 \/dev\/sd0 \S+\/run\/clusteros\/seed\n$/,
  );
  const iso = withVolumes(t, [{ fstype: 'iso9660', label: 'cidata' }]);
  assert.match(iso.stdout, /^-t iso9660 -o ro,nosuid,nodev,noexec,mode=0400,dmode=0500 \/dev\/sd0 /);
});

test('a volume of another file system is no seed, and hides none', (t) => {
  for (const fstype of ['ext4', 'xfs', 'btrfs', 'ntfs', 'squashfs', 'udf']) {
    const alone = withVolumes(t, [{ fstype, label: 'CIDATA' }]);
    assert.deepEqual([alone.status, alone.stdout], [0, ''], fstype);
    const beside = withVolumes(t, [
      { fstype, label: 'CIDATA' },
      { fstype: 'vfat', label: 'CIDATA' },
    ]);
    assert.match(beside.stdout, /^-t vfat .* \/dev\/sd1 /, fstype);
  }
  const changed = withVolumes(t, [{ fstype: 'vfat', label: 'CIDATA', probed: 'ext4' }]);
  assert.deepEqual([changed.status, changed.stdout], [1, '']);
  assert.match(changed.stderr, /holds ext4; a seed is FAT or ISO 9660/);
});
