import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { CLOUD_SEED, USER_DATA_APPLIED } from '../firstboot/cloud-config.ts';
import { type SeedInput, seedFiles } from '../firstboot/seed.ts';
import { USER_DATA_FILES } from './user-data.ts';

const INPUT: SeedInput = {
  clusterName: 'lab',
  hostname: 'rack-1',
  user: 'clusteros',
  authorizedKeys: ['ssh-ed25519 AAAAC3Nza/+= ada@home', 'ssh-rsa AAAAB3N= two words'],
  timezone: 'Europe/Berlin',
  network: 'dhcp',
  join: [],
};

/** A machine's file system in a folder, with programs that write down how they were called. */
function machine(t: TestContext) {
  const root = mkdtempSync(path.join(tmpdir(), 'user-data.'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const at = (place: string) => path.join(root, place);
  const put = (place: string, text: string, mode = 0o644) => {
    mkdirSync(path.dirname(at(place)), { recursive: true });
    writeFileSync(at(place), text, { mode });
  };
  const read = (place: string) => (existsSync(at(place)) ? readFileSync(at(place), 'utf8') : undefined);
  put('etc/passwd', 'root:x:0:0:root:/root:/bin/bash\n');
  for (const zone of ['Europe/Berlin', 'Etc/UTC']) put(`usr/share/zoneinfo/${zone}`, 'zone');
  for (const folder of ['etc/sudoers.d', 'var/lib/cloud', 'home']) mkdirSync(at(folder), { recursive: true });
  for (const name of ['useradd', 'hostname', 'chown', 'sync'])
    put(`bin/${name}`, `#!/bin/sh\necho ${name} "$@" >>${root}/calls\n`, 0o755);
  put(
    'bin/useradd',
    `#!/bin/sh\necho useradd "$@" >>${root}/calls\nfor last; do :; done\nmkdir ${root}/home/$last\n`,
    0o755,
  );
  const [script] = USER_DATA_FILES;
  put(
    'apply',
    script?.text.replaceAll(/(?<![\w/}])\/(run|var|etc|home|usr\/share)\//g, `${root}/$1/`) ?? '',
    0o755,
  );
  const env = { PATH: `${at('bin')}:/usr/bin:/bin` };
  return {
    put,
    read,
    seed: (files: Readonly<Record<string, string>>) => {
      rmSync(at('run'), { recursive: true, force: true });
      for (const [name, text] of Object.entries(files)) put(`${CLOUD_SEED}/${name}`, text);
    },
    /** @returns whether cloud-init is not needed */
    boot: (): boolean => {
      const { status, stderr } = spawnSync('/bin/sh', [at('apply')], { env, encoding: 'utf8' });
      assert.deepEqual([status, stderr], [0, '']);
      return existsSync(at(USER_DATA_APPLIED));
    },
    calls: () => read('calls')?.trimEnd().split('\n') ?? [],
  };
}

function cloudFiles(input: SeedInput): Record<string, string> {
  const names = ['meta-data', 'network-config', 'user-data'];
  return Object.fromEntries(
    seedFiles(input).flatMap(({ path: name, text }) => (names.includes(name) ? [[name, text]] : [])),
  );
}

test('the seed that clusteros-build writes is applied without cloud-init', (t) => {
  const it = machine(t);
  it.seed(cloudFiles(INPUT));
  assert.equal(it.boot(), true);
  assert.deepEqual(it.calls(), [
    'hostname rack-1',
    'useradd --create-home --shell /bin/bash --comment Cluster-OS administrator --groups adm,sudo,systemd-journal clusteros',
    `chown -R clusteros:clusteros ${it.read('calls')?.match(/\S+\/home\/clusteros\/\.ssh/)?.[0]}`,
    'sync',
  ]);
  assert.equal(it.read('home/clusteros/.ssh/authorized_keys'), `${INPUT.authorizedKeys.join('\n')}\n`);
  assert.equal(it.read('etc/sudoers.d/90-cloud-init-users'), 'clusteros ALL=(ALL) NOPASSWD:ALL\n');
  assert.equal(it.read('etc/hostname'), 'rack-1\n');
  assert.equal(it.read('etc/timezone'), 'Europe/Berlin\n');
  assert.equal(it.read('etc/localtime'), 'zone');
});

test('a seed for many machines names none of them, and without a key there is an account without one', (t) => {
  const it = machine(t);
  it.seed(cloudFiles({ ...INPUT, hostname: undefined, authorizedKeys: [] }));
  assert.equal(it.boot(), true);
  assert.equal(it.read('etc/hostname'), undefined);
  assert.equal(it.read('home/clusteros/.ssh/authorized_keys'), undefined);
});

test('what was applied is not applied again at the next boot, and cloud-init stays out', (t) => {
  const it = machine(t);
  it.seed(cloudFiles(INPUT));
  it.boot();
  const calls = it.calls();
  it.put('etc/passwd', 'root:x:0:0:::\nclusteros:x:1000:1000:::\n');
  it.seed(cloudFiles(INPUT));
  assert.equal(it.boot(), true);
  assert.deepEqual(it.calls(), calls);
});

test('an account that is there, and a machine where cloud-init has run, are left to cloud-init', (t) => {
  for (const [file, text] of [
    ['etc/passwd', 'root:x:0:0:::\nclusteros:x:1000:1000:::\n'],
    ['var/lib/cloud/data/instance-id', 'x\n'],
    [`${CLOUD_SEED}/vendor-data`, '#cloud-config\n'],
  ] as const) {
    const it = machine(t);
    it.seed(cloudFiles(INPUT));
    it.put(file, text);
    assert.deepEqual([it.boot(), it.calls()], [false, []], file);
  }
});

test('one line that seeds of ours do not have leaves the whole seed to cloud-init', (t) => {
  const files = cloudFiles(INPUT);
  const of = (name: string) => files[name] ?? '';
  const changed: Record<string, string>[] = [
    { 'user-data': `${of('user-data')}runcmd: [reboot]\n` },
    { 'user-data': `\ufeff${of('user-data')}` },
    { 'user-data': of('user-data').replaceAll('\n', '\r\n') },
    { 'user-data': of('user-data').replace('/bin/bash', '/bin/sh') },
    { 'user-data': of('user-data').replace('[adm, sudo', '[adm, docker') },
    { 'user-data': of('user-data').replace('lock_passwd: true', 'lock_passwd: false') },
    { 'user-data': of('user-data').replace('"rack-1"', '"rack\\u002d1"') },
    { 'user-data': of('user-data').replace('"rack-1"', 'rack-1 # mine') },
    { 'user-data': of('user-data').replace('Europe/Berlin', '../../etc/shadow') },
    { 'user-data': of('user-data').replace('Europe/Berlin', 'Europe/Nowhere') },
    { 'user-data': of('user-data').replace('ada@home', '$(reboot)') },
    { 'user-data': of('user-data').replace('"ssh-rsa', '"command=x ssh-rsa') },
    { 'user-data': of('user-data').replace('name: "clusteros"', 'name: "root"') },
    { 'user-data': of('user-data').replace('preserve_hostname: false', 'preserve_hostname: true') },
    { 'user-data': '#!/bin/sh\nreboot\n' },
    { 'meta-data': `${of('meta-data')}public-keys: []\n` },
    { 'meta-data': '# nothing\n' },
    { 'network-config': 'version: 2\nethernets: {eth0: {dhcp4: true}}\n' },
  ];
  for (const change of changed) {
    const it = machine(t);
    it.seed({ ...files, ...change });
    assert.deepEqual([it.boot(), it.calls()], [false, []], JSON.stringify(change));
    assert.equal(it.read('etc/timezone'), undefined);
  }
});

interface UserData {
  readonly hostname?: unknown;
  readonly timezone?: unknown;
  readonly users?: readonly Record<string, unknown>[];
  [more: string]: unknown;
}

const USUAL = {
  ssh_pwauth: false,
  disable_root: true,
  package_update: false,
  package_upgrade: false,
  growpart: { mode: 'off' },
  resize_rootfs: false,
};

/** Lines of the real thing in another order, twice, or not at all: as YAML they mean something else, or nothing. */
test('what is applied is what the YAML says, however its lines are mixed', (t) => {
  const lines = (cloudFiles(INPUT)['user-data'] ?? '').trimEnd().split('\n');
  let applied = 0;
  for (let round = 0; round < 120; round += 1) {
    const mixed = [...lines];
    const [from, to] = [1 + ((round * 7) % (lines.length - 1)), 1 + ((round * 11 + 3) % (lines.length - 1))];
    const [line = ''] = round % 3 === 0 ? mixed.slice(from, from + 1) : mixed.splice(from, 1);
    if (round % 3 !== 1) mixed.splice(to, 0, line);
    const it = machine(t);
    const text = `${mixed.join('\n')}\n`;
    it.seed({ ...cloudFiles(INPUT), 'user-data': text });
    if (!it.boot()) continue;
    applied += 1;
    const { hostname, timezone, preserve_hostname, users = [], ...rest } = readYaml(text) as UserData;
    // A section without its line: the module does not even run.
    if (rest.growpart === null) delete rest.growpart;
    for (const [key, value] of Object.entries(rest))
      assert.deepEqual([key, value], [key, USUAL[key as keyof typeof USUAL]], text);
    const [user] = users;
    assert.equal(users.length, 1, text);
    assert.equal(hostname === undefined, preserve_hostname !== false, text);
    assert.equal(it.read('etc/hostname'), hostname === undefined ? undefined : `${hostname}\n`, text);
    assert.equal(it.read('etc/timezone'), timezone === undefined ? undefined : `${timezone}\n`, text);
    const { gecos, ...account } = user ?? {};
    const keys = it.read('home/clusteros/.ssh/authorized_keys')?.trimEnd().split('\n');
    assert.deepEqual(
      account,
      {
        name: 'clusteros',
        shell: '/bin/bash',
        groups: ['adm', 'sudo', 'systemd-journal'],
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        lock_passwd: true,
        ...(keys === undefined ? {} : { ssh_authorized_keys: keys }),
      },
      text,
    );
    assert.ok(gecos === undefined || gecos === 'Cluster-OS administrator', text);
  }
  t.diagnostic(`${applied} of 120 were applied`);
  assert.ok(applied > 20 && applied < 110, `${applied} of 120`);
});

/** As cloud-init reads it: of a key that stands twice the last counts. */
function readYaml(text: string): unknown {
  return parse(text, { version: '1.1', uniqueKeys: false });
}
