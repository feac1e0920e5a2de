import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { openCache } from '../cache.ts';
import type { Plan } from '../definition/plan.ts';
import { describeError } from '../errors.ts';
import { packagesKey, packagesTree } from './packages.ts';
import { planOf, RELEASE, serve } from './testing/archive.ts';

/** With programs in the place of mmdebstrap and unshare that do what `script` says; $tar is where the tree goes. */
async function bench(t: TestContext, script: string) {
  const folder = mkdtempSync(path.join(tmpdir(), 'packages-test.'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['mmdebstrap', 'unshare']) {
    const find = 'for word; do case $word in */packages.tar) tar=$word ;; esac; done';
    writeFileSync(
      path.join(bin, name),
      `#!/bin/sh\ncase "$*" in */packages.tar*) ;; *) exit 0 ;; esac\necho run >>"${folder}/runs"\n${find}\n${script}\n`,
    );
    chmodSync(path.join(bin, name), 0o755);
  }
  const before = process.env.PATH;
  process.env.PATH = `${bin}:${before}`;
  t.after(() => {
    process.env.PATH = before;
  });
  const keyring = path.join(folder, 'keyring.gpg');
  writeFileSync(keyring, '');
  const plan = planOf(await serve(t, (_, response) => response.end(RELEASE)));
  const cache = await openCache(path.join(folder, 'cache'), () => {});
  const controller = new AbortController();
  return {
    plan: { ...plan, apt: { ...plan.apt, keyring } } satisfies Plan,
    cache,
    controller,
    make: (own: Plan, onProgress = (_: string) => {}) =>
      packagesTree(own, { cache, signal: controller.signal, onProgress }),
    runs: async () =>
      (await readFile(path.join(folder, 'runs'), 'utf8').catch(() => '')).split('\n').length - 1,
    /** What is half-made; marks of use apart. */
    leftover: async () =>
      (await readdir(path.join(cache.folder, 'work'))).filter((name) => !name.endsWith('.use')),
  };
}

test('the tree is made once and then found in the cache', async (t) => {
  const { plan, make, runs, leftover } = await bench(
    t,
    'echo "I: installing packages..."; echo tree >"$tar"',
  );
  const steps: string[] = [];
  const first = await make(plan, (step) => steps.push(step));
  assert.equal(await readFile(first.tar, 'utf8'), 'tree\n');
  assert.equal(first.cached, false);
  assert.equal(first.epoch, Date.UTC(2025, 10, 15, 10) / 1000);
  assert.deepEqual(steps, ['installing packages...']);
  const second = await make(plan);
  assert.deepEqual([second.tar, second.cached, await runs()], [first.tar, true, 1]);
  assert.deepEqual(await leftover(), []);
});

test("a build's work folder survives another process that opens the same cache", async (t) => {
  const { plan, cache, make } = await bench(
    t,
    // Where TMPDIR is the root is made; "ready" lets the other one in, "go" lets us on.
    'echo half >"$TMPDIR/half"; echo "Unpacking ready"; for i in $(seq 100); do [ -e "$(dirname "$tar")/../go" ] || sleep 0.05; done; cp "$TMPDIR/half" "$tar"',
  );
  const go = path.join(cache.folder, 'work', 'go');
  const made = await make(plan, () => {
    void openCache(cache.folder, () => {}).then(() => writeFileSync(go, ''));
  });
  assert.equal(await readFile(made.tar, 'utf8'), 'half\n');
});

test('mmdebstrap is given the proxy as variables, and no error shows the password', async (t) => {
  const before = { ...process.env };
  t.after(() => {
    for (const name of ['http_proxy', 'no_proxy']) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
  Object.assign(process.env, { http_proxy: 'http://me:secret@proxy.example:3128', no_proxy: '127.0.0.1' });
  const { plan, make } = await bench(
    t,
    'case "$*" in *secret*) exit 9 ;; esac; echo "E: cannot ask $http_proxy, not for $no_proxy" >&2; exit 1',
  );
  await assert.rejects(make(plan), (error) => {
    assert.match(
      describeError(error),
      /E: cannot ask http:\/\/\*\*\*@proxy\.example:3128\/, not for 127\.0\.0\.1,127/,
    );
    return true;
  });
});

for (const [what, code, script] of [
  [
    'a package that the base does not have',
    'packages.unknown',
    'echo "E: Unable to locate package nonsense" >&2; exit 25',
  ],
  ['a full disk', 'disk.full', 'echo "tar: write error: No space left on device" >&2; exit 2'],
  [
    'a signature that the keyring does not know',
    'mirror.signature',
    'echo "The following signatures: NO_PUBKEY 648ACFD622F3D138" >&2; exit 100',
  ],
  ['any other failure', 'command.failed', 'echo "E: something else" >&2; exit 1'],
] as const) {
  test(`${what} is told as that, and nothing half-made stays`, async (t) => {
    const { plan, make, leftover, cache } = await bench(t, `echo half >"$tar"; ${script}`);
    await assert.rejects(make(plan), { code });
    assert.deepEqual(await leftover(), []);
    assert.deepEqual(
      (await cache.list()).filter(({ kind }) => kind === 'packages'),
      [],
    );
  });
}

test('a stop ends mmdebstrap, is told as a stop, and leaves nothing half-made', async (t) => {
  const { plan, make, leftover, controller } = await bench(
    t,
    'echo half >"$tar"; echo "Unpacking x"; exec sleep 60',
  );
  const start = performance.now();
  await assert.rejects(
    make(plan, () => controller.abort()),
    { code: 'interrupted' },
  );
  assert.ok(performance.now() - start < 5000);
  assert.deepEqual(await leftover(), []);
});

test('a missing keyring is told before anything is run', async (t) => {
  const { plan, make, runs } = await bench(t, 'true');
  const lost = { ...plan, apt: { ...plan.apt, keyring: '/nowhere/keyring.gpg' } };
  await assert.rejects(make(lost), { code: 'base.keyring', message: /\/nowhere\/keyring.gpg/ });
  assert.equal(await runs(), 0);
});

test('the key follows all that the tree is made of, and nothing else', async () => {
  const plan = planOf('http://one.example/debian');
  const archive = { releases: [{ suite: 'trixie', sha256: 'aa' }], date: 100 };
  const key = (more: Partial<Plan>, state = archive) => packagesKey({ ...plan, ...more }, state);
  const base = await key({});
  const same = [
    key({ name: 'other' }),
    key({ files: [] }),
    key({ apt: { ...plan.apt, mirror: 'http://two.example' } }),
    key({ epoch: 100 }),
  ];
  for (const other of await Promise.all(same)) assert.equal(other, base);
  const different = [
    key({ packages: ['dbus'] }),
    key({ epoch: 5 }),
    key({ initramfs: 'metal' }),
    key({ apt: { ...plan.apt, components: ['main', 'contrib'] } }),
    key({ base: { ...plan.base, name: 'debian-12' } }),
    key({}, { ...archive, date: 101 }),
    key({}, { ...archive, releases: [{ suite: 'trixie', sha256: 'bb' }] }),
  ];
  for (const other of await Promise.all(different)) assert.notEqual(other, base);
});
