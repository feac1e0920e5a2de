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
const EXPORTED = /^export (?:async |abstract )?(?:function\*?|const|class|interface|type|enum) (\w+)/gm;

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

/** What a reader finds exported is used elsewhere: a change of it is looked up there, and the rest is free to change. */
test('what is exported is named in another file', () => {
  const named = new Map<string, Set<string>>();
  for (const file of sources) {
    for (const word of new Set(textOf(file).match(/\w+/g))) {
      const files = named.get(word) ?? new Set();
      named.set(word, files.add(file));
    }
  }
  const offenders = sources
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...textOf(file).matchAll(EXPORTED)]
        .map(([, name = '']) => name)
        .filter((name) => named.get(name)?.size === 1)
        .map((name) => `${file}: ${name}`),
    );
  assert.deepEqual(offenders, []);
});

/** Each of these hides a fault of ours too; name what is expected (agent/errors.ts) and take it from here. */
const SWALLOWS = /catch \{|\.catch\(\(\) =>|^ +\(\) => (undefined|false|true),?\n *\)/gm;
const MAY_SWALLOW: readonly (readonly [why: string, files: Readonly<Record<string, number>>])[] = [
  [
    'a text, file or key that others wrote is judged: what cannot be read is wrong, missing or begun anew',
    {
      'agent/api/last-known.ts': 2,
      'agent/api/routes.ts': 1,
      'agent/consensus/birth.ts': 1,
      'agent/consensus/certificates/files.ts': 1,
      'agent/consensus/certificates/leaf.ts': 1,
      'agent/consensus/etcd/refusals.ts': 1,
      'agent/consensus/keys.ts': 1,
      'agent/discovery/card.ts': 2,
      'agent/discovery/channel/envelope.ts': 1,
      'agent/discovery/versions.ts': 1,
      'agent/events/card-facts.ts': 1,
      'agent/events/lines.ts': 1,
      'agent/events/recorder.ts': 1,
      'agent/gossip/config.ts': 1,
      'agent/identity/ed25519.ts': 1,
      'agent/identity/identity.ts': 1,
      'agent/mesh/address-keeper.ts': 1,
      'agent/operations/retired-keys.ts': 1,
      'agent/operations/rotation-store.ts': 1,
      'agent/operations/seal.ts': 1,
      'agent/registry/claims.ts': 1,
      'agent/registry/records.ts': 1,
      'agent/seed/cloud-result.ts': 1,
      'agent/seed/report.ts': 1,
      'agent/timers/controller.ts': 1,
      'build/assemble/manifest.ts': 1,
      'build/cache/record.ts': 1,
      'build/docker/agents.ts': 1,
      'build/render/rendered-folder.ts': 1,
      'qemu/qmp.ts': 1,
      'settings/yaml.ts': 2,
    },
  ],
  [
    'a queue or a promise kept for later: the error is told to whoever waits for it',
    {
      'agent/consensus/durable.ts': 1,
      'agent/consensus/etcd/transport.ts': 1,
      'agent/consensus/snapshot-keeper.ts': 1,
      'agent/consensus/turns.ts': 1,
      'agent/engine/child-units.ts': 3,
      'agent/gossip/supervisor.ts': 2,
      'agent/host/https-json.ts': 1,
      'agent/host/peer-tls.ts': 1,
      'agent/installer/ranges.ts': 1,
      'agent/mesh/wireguard.ts': 1,
      'build/assemble/docker/docker-archive.ts': 1,
      'build/assemble/live/image-map.ts': 1,
      'build/assemble/thread.ts': 1,
      'qemu/guest-channel.ts': 2,
      'qemu/process.ts': 1,
    },
  ],
  [
    'the system is probed, or tidied up behind another failure: no answer is an answer',
    {
      'agent/host/block-device.ts': 1,
      'agent/host/children.ts': 3,
      'agent/host/consoles.ts': 1,
      'agent/host/links.ts': 1,
      'agent/host/logs.ts': 2,
      'agent/host/machine-ids.ts': 1,
      'agent/host/memory.ts': 1,
      'agent/host/multicast-dns.ts': 1,
      'agent/timers/measure.ts': 1,
      'build/assemble/usb/zstd-file-thread.ts': 1,
      'build/cache/owner.ts': 1,
      'build/definition/host-facts.ts': 1,
      'build/doctor/kvm.ts': 2,
      'build/doctor/programs.ts': 1,
      'build/host/places.ts': 2,
      'build/output.ts': 2,
    },
  ],
  [
    'whatever it was, the loop tries again or gives the role up, which is the safe side',
    {
      'agent/consensus/etcd/client.ts': 1,
      'agent/consensus/etcd/watch.ts': 1,
      'agent/roles/deadline.ts': 1,
      'agent/roles/tenure.ts': 2,
      'agent/workloads/page/serve.ts': 2,
    },
  ],
];

test('nothing more is caught without naming what is expected', () => {
  const allowed = Object.assign({}, ...MAY_SWALLOW.map(([, files]) => files)) as Record<string, number>;
  const found = sources
    .filter((file) => !isTest(file) && !file.startsWith('bin/'))
    .map((file) => [file, textOf(file).match(SWALLOWS)?.length ?? 0] as const)
    .filter(([file, count]) => count > 0 || file in allowed);
  assert.deepEqual(
    Object.fromEntries(found),
    Object.fromEntries(found.map(([file]) => [file, allowed[file] ?? 0])),
  );
  assert.deepEqual(found.map(([file]) => file).sort(), Object.keys(allowed).sort());
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
