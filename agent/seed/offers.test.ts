import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { makeSandbox } from '../testing/sandbox.ts';
import { collectOffers, readInstallSettings } from './offers.ts';

test("a seed offers what is a node's; a stranger's file is told, the installer's own settings are not", async (t) => {
  const { paths } = makeSandbox(t);
  const folder = path.join(paths.seed, 'clusteros');
  mkdirSync(folder, { recursive: true });
  for (const name of ['install.yaml', 'node.yaml', 'holiday.jpg'])
    writeFileSync(path.join(folder, name), '# x\n');
  const offers = await collectOffers(paths, {});
  assert.deepEqual(
    offers.map(({ item, content }) => [item, 'ignored' in content]),
    [
      ['node.yaml', false],
      ['holiday.jpg', true],
    ],
  );
});

test('user-data that the image kept from cloud-init is told as ignored, with the way to take it', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.run, { recursive: true });
  writeFileSync(path.join(paths.run, 'user-data-ignored'), 'only the first seed\n');
  const [offer] = await collectOffers(paths, {});
  assert.equal(offer?.item, 'user-data');
  assert.deepEqual(offer?.content, { ignored: 'only the first seed' });
});

test('files are found whatever the size of their letters, and what looks like one is told', async (t) => {
  const { paths } = makeSandbox(t);
  const folder = path.join(paths.seed, 'ClusterOS');
  mkdirSync(folder, { recursive: true });
  for (const name of ['CLUSTER.KEY', 'Node.yaml', 'cluster.token.txt', 'Install.yaml', '._cluster.key'])
    writeFileSync(path.join(folder, name), '# x\n');
  for (const name of ['user-data.txt', 'User-Data', 'meta-data'])
    writeFileSync(path.join(paths.seed, name), name === 'meta-data' ? 'instance-id: 1\n' : '#cloud-config\n');
  const offers = await collectOffers(paths, {});
  assert.deepEqual(
    offers.map(({ item, content }) => [item, 'ignored' in content ? content.ignored : 'offered']),
    [
      ['cluster.key', 'offered'],
      ['node.yaml', 'offered'],
      ['user-data.txt', 'user-data is there too, and is the one that is read'],
      ['cluster.token.txt', 'expected clusteros/cluster.token: rename it'],
    ],
  );
  const settings = await readInstallSettings(paths);
  assert.equal(settings.bytes?.toString(), '# x\n');
  assert.match(settings.ignored.join(), /clusteros\/cluster\.token\.txt: expected/);
});

test('what cloud-init would pass over without a word is told with its line', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.seed, { recursive: true });
  const put = (name: string, content: string | Buffer) => writeFileSync(path.join(paths.seed, name), content);
  const told = async () =>
    (await collectOffers(paths, {})).map(({ item, content }) => [
      item,
      'ignored' in content ? content.ignored : '?',
    ]);
  put('user-data', '#cloud-config\nusers: []\n');
  assert.deepEqual(await told(), [['user-data', 'meta-data must be there too']]);
  put('meta-data', 'instance-id: 1\n');
  assert.deepEqual(await told(), []);
  put('network-config', 'version: 2\nethernets:\n  eno1: {dhcp4: yes}\nvlans: {}\n');
  put('user-data', Buffer.from('\ufeff#cloud-config\nssh_authorized_keys: []\nssh_pwauth: no\n', 'utf16le'));
  assert.deepEqual(await told(), [
    ['user-data', 'user-data:2:1: ssh_authorized_keys: ignored here: expected below a user in users:'],
    [
      'network-config',
      'network-config:4:1: vlans: cloud-init drops it without a word; write it as a unit of systemd-networkd (files: in cluster.yaml)',
    ],
  ]);
  put(
    'user-data',
    '#cloud-config\nusers:\n- {name: a, ssh_authorised_keys: [x]}\n- {ssh-authorized-keys: []}\n',
  );
  put(
    'network-config',
    'version: 1\nconfig:\n- {type: physical, name: e0, subnets: [{type: dhcp}]}\n- {type: bond}\n',
  );
  mkdirSync(path.join(paths.seed, 'seed/clusteros'), { recursive: true });
  assert.deepEqual(await told(), [
    ['seed', 'a seed is in it, one folder too deep: move what is in it to the top of the volume'],
    [
      'user-data',
      'user-data:3:13: users[0].ssh_authorised_keys: unknown key; did you mean ssh_authorized_keys?',
    ],
    [
      'network-config',
      'network-config:4:4: config[1].type: cloud-init drops it without a word; write it as a unit of systemd-networkd (files: in cluster.yaml)',
    ],
  ]);
  put(
    'user-data',
    '#cloud-config\nusers: [{name: a, ssh_import_id: [gh:a]}]\nwrite_files: [{path: /a, defer: true}]\n',
  );
  put(
    'network-config',
    'version: 2\nethernets: {e: {match: {macaddress: 52:54:00:12:34:56}, set-name: e, dhcp4: true}}\n',
  );
  assert.deepEqual(
    (await told()).map(([, reason]) => reason?.replace(/; use runcmd|, such as.*/, '')).slice(1),
    [
      'user-data:2:19: users[0].ssh_import_id: ignored: write the keys below a user in users:; user-data:3:26: write_files[0].defer: ignored: this image does not run write_files_deferred',
      'network-config:2:25: ethernets.e.match.macaddress: expected a string: put it in quotes',
    ],
  );
  put('user-data', 'users: [{name: anna, passwd: secret}]\n');
  assert.match((await told())[1]?.[1] ?? '', /^user-data:1:1: expected #cloud-config as the first line/);
});
