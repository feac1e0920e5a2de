import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { readDocument } from '../agent/config/document.ts';
import { cloudMistakes, MODULE_KEYS } from '../agent/seed/cloud-files.ts';
import { CLOUD_FILES } from '../agent/seed/names.ts';
import { files, run, which } from '../build/host.ts';
import { matchesGolden } from '../qemu/golden.ts';
import { checkSeed } from './checks.ts';
import { CLOUD_CONFIG } from './cloud-config.ts';
import { sampleFiles } from './sample.ts';
import { type SeedInput, seedFiles } from './seed.ts';

const PUBLIC_KEY =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEl0TDtlxsTFutZ3ux0r+9acPHZCntaOJ4j5LEtVGS8b ops@example';

const shared: SeedInput = {
  clusterName: 'lab',
  user: 'clusteros',
  authorizedKeys: [PUBLIC_KEY],
  timezone: 'UTC',
  network: 'dhcp',
  clusterKey: Buffer.alloc(32, 7).toString('base64'),
  join: [],
};
const full: SeedInput = {
  ...shared,
  hostname: 'node-1',
  authorizedKeys: [PUBLIC_KEY, PUBLIC_KEY],
  timezone: 'Europe/Berlin',
  network: { version: 2, ethernets: { eth0: { addresses: ['192.168.1.10/24'] } } },
  expect: 3,
  join: ['10.0.0.5', 'node1.example.org:7946'],
};
const bare: SeedInput = { ...shared, authorizedKeys: [], clusterKey: undefined };

function textOf(input: SeedInput, path: string): string {
  return seedFiles(input).find((file) => file.path === path)?.text ?? assert.fail(`no ${path}`);
}

const asOneText = (input: SeedInput) =>
  seedFiles(input)
    .map(({ path, text }) => `=== ${path}\n${text.replaceAll('\r', '')}`)
    .join('');

for (const [name, input] of Object.entries({ shared, full, bare })) {
  test(`the files of the seed "${name}" are as recorded`, async () => {
    await matchesGolden(new URL(`goldens/${name}.golden`, import.meta.url), asOneText(input));
  });

  test(`cloud-init reads from the seed "${name}" what was asked for`, () => {
    const user = parse(textOf(input, 'user-data'), { version: '1.1' });
    assert.equal(user.hostname, input.hostname);
    assert.equal(user.preserve_hostname, input.hostname === undefined);
    assert.equal(user.timezone, input.timezone);
    assert.equal(user.users.length, 1);
    const [account] = user.users;
    assert.equal(account.name, input.user);
    assert.equal(account.lock_passwd, true);
    assert.deepEqual(account.ssh_authorized_keys ?? [], input.authorizedKeys);
    const meta = parse(textOf(input, 'meta-data'), { version: '1.1' });
    assert.equal(meta['local-hostname'], input.hostname);
    const network = parse(textOf(input, 'network-config'), { version: '1.1' });
    assert.deepEqual(network, input.network === 'dhcp' ? { version: 2, ethernets: {} } : input.network);
  });

  test(`the agent takes the settings of the seed "${name}"`, () => {
    const { raw, problems } = readDocument('node.yaml', textOf(input, 'clusteros/node.yaml'));
    assert.deepEqual(problems, []);
    assert.deepEqual(raw, {
      cluster: { name: input.clusterName },
      ...(input.expect === undefined ? {} : { consensus: { expect: input.expect } }),
      ...(input.join.length === 0 ? {} : { discovery: { join: input.join } }),
    });
  });
}

test('a value cannot leave its place, whatever it holds', () => {
  const hostile = [
    'a"\nruncmd: [reboot]\n#',
    "x: y # '",
    '- {a: b}',
    'end\n...\n---\nusers: []',
    '{{user}}',
    '\u2028runcmd: []\u0085 \u{1f600} \u0000 \ufeff',
    '*alias &anchor !tag %',
    'yes',
  ];
  for (const value of hostile) {
    const user = parse(
      textOf({ ...shared, hostname: value, user: value, authorizedKeys: [value] }, 'user-data'),
      {
        version: '1.1',
      },
    );
    assert.equal(user.hostname, value);
    assert.equal(user.users[0].name, value);
    assert.deepEqual(user.users[0].ssh_authorized_keys, [value]);
    assert.equal(user.runcmd, undefined);
    const node = parse(textOf({ ...shared, clusterName: value, join: [value] }, 'clusteros/node.yaml'));
    assert.deepEqual(node, { cluster: { name: value }, discovery: { join: [value] } });
  }
});

test('PyYAML, which cloud-init has, reads the same', async (context) => {
  const probe = ['python3', '-c', 'import yaml'];
  if ((await which('python3')) === undefined) return context.skip('there is no python3');
  const there = await run(probe).then(
    () => true,
    () => false,
  );
  if (!there) return context.skip('there is no PyYAML');
  const hostname = '\u2028: "\u0085\u{1f600}\'#';
  const script = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))';
  const { stdout } = await run(['python3', '-c', script], {
    input: textOf({ ...full, hostname }, 'user-data'),
  });
  assert.equal(JSON.parse(stdout).hostname, hostname);
});

test('the instance changes with what cloud-init applies, and not with the key or the settings of the agent', () => {
  const id = (input: SeedInput) => parse(textOf(input, 'meta-data'))['instance-id'];
  const same = {
    ...shared,
    clusterKey: Buffer.alloc(32, 8).toString('base64'),
    expect: 5,
    join: ['10.0.0.9'],
  };
  assert.equal(id(same), id(shared));
  assert.notEqual(id({ ...shared, timezone: 'Europe/Paris' }), id(shared));
  assert.notEqual(id({ ...shared, network: full.network }), id(shared));
});

test('what the goldens are made of passes the checks', () => {
  for (const input of [shared, full, bare]) assert.deepEqual(checkSeed(input), []);
});

test('the configuration of the image runs every module that the seed needs, and no other', () => {
  const config = parse(CLOUD_CONFIG, { version: '1.1' });
  const modules = [config.cloud_init_modules, config.cloud_config_modules, config.cloud_final_modules].flat();
  // The agent tells what of user-data no module will do.
  assert.deepEqual(modules, Object.keys(MODULE_KEYS));
  assert.deepEqual(modules, [
    'write_files',
    'set_hostname',
    'users_groups',
    'timezone',
    'runcmd',
    'scripts_user',
  ]);
  assert.deepEqual(config.datasource_list, ['NoCloud']);
  assert.equal(config.datasource.NoCloud.fs_label, null);
  assert.equal(config.growpart.mode, 'off');
});

test('the node, which tells what cloud-init passes over, has nothing to tell of our seeds and samples', () => {
  for (const volume of [...[shared, full, bare].map(seedFiles), sampleFiles('lab')])
    for (const { path, text } of volume) {
      const name = CLOUD_FILES.find((file) => path.endsWith(file));
      if (name !== undefined) assert.deepEqual(cloudMistakes(name, Buffer.from(text)), [], path);
    }
});

test('cloud-init itself finds no fault in user-data', async (context) => {
  if ((await which('cloud-init')) === undefined) return context.skip('cloud-init is not installed here');
  const folder = await files.makeWorkFolder('/tmp', 'cosci');
  context.after(() => files.remove(folder));
  for (const input of [shared, full, bare]) {
    await files.writeAtomic(`${folder}/user-data`, textOf(input, 'user-data'));
    const { stdout } = await run(['cloud-init', 'schema', '-c', `${folder}/user-data`]);
    assert.match(stdout, /Valid/);
  }
});
