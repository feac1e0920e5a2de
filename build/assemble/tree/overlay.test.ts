import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EPOCH, file, folder, symlink } from '../testing/images.ts';
import type { Tree } from './node.ts';
import { applyOverlay, type Overlay } from './overlay.ts';

const NOTHING: Overlay = { files: [], links: [], units: [], removes: [], programs: [] };
const UNITS = 'etc/systemd/system';

/** A small tree of packages, in an order that is not the alphabet's. */
function packages(): Tree {
  return new Map([
    ['', folder()],
    ['usr', folder()],
    ['usr/lib', folder()],
    ['usr/lib/systemd', folder()],
    ['usr/lib/systemd/system', folder()],
    ['usr/lib/systemd/system/ssh.service', file('unit')],
    ['etc', folder({ mode: 0o751 })],
    ['etc/motd', file('old', { mode: 0o600, uid: 5 })],
    ['etc/cron.d', folder()],
    ['etc/cron.d/a', file('a')],
    ['etc/cron.daily', folder()],
    ['lib', symlink('usr/lib')],
  ]);
}

const apply = (overlay: Partial<Overlay>) => applyOverlay(packages(), { ...NOTHING, ...overlay }, EPOCH);
const textOf = (tree: Tree, path: string) =>
  Buffer.from((tree.get(path)?.source as Uint8Array | undefined) ?? []).toString();

test('a unit is enabled by the link that its target wants', () => {
  const tree = apply({
    units: [
      { unit: 'ssh.service', state: 'enabled', wantedBy: 'multi-user.target' },
      { unit: 'own.service', state: 'enabled', wantedBy: 'basic.target' },
    ],
  });
  const link = tree.get(`${UNITS}/multi-user.target.wants/ssh.service`);
  assert.deepEqual([link?.kind, link?.target], ['symlink', '/usr/lib/systemd/system/ssh.service']);
  // Not shipped by a package: then it is one of our files.
  assert.equal(tree.get(`${UNITS}/basic.target.wants/own.service`)?.target, `/${UNITS}/own.service`);
  assert.equal(tree.get(`${UNITS}/multi-user.target.wants`)?.kind, 'folder');
});

test('a unit is disabled by taking its link away, and masked by a link to nothing', () => {
  const wants = `${UNITS}/multi-user.target.wants`;
  const before: Tree = new Map([
    ...packages(),
    ['etc/systemd', folder()],
    [UNITS, folder()],
    [wants, folder()],
    [`${wants}/ssh.service`, symlink('/usr/lib/systemd/system/ssh.service')],
    [`${wants}/cron.service`, symlink('/usr/lib/systemd/system/cron.service')],
  ]);
  const units: Overlay['units'] = [
    { unit: 'ssh.service', state: 'disabled', wantedBy: 'multi-user.target' },
    { unit: 'absent.service', state: 'disabled', wantedBy: 'multi-user.target' },
    { unit: 'apt-daily.timer', state: 'masked' },
  ];
  const tree = applyOverlay(before, { ...NOTHING, units }, EPOCH);
  assert.equal(tree.has(`${wants}/ssh.service`), false);
  assert.equal(tree.has(`${wants}/cron.service`), true);
  assert.equal(tree.get(`${UNITS}/apt-daily.timer`)?.target, '/dev/null');
});

test("a file of ours takes a package's place, with our owner, mode and time", () => {
  const tree = apply({ files: [{ path: '/etc/motd', mode: 0o644, text: 'grüße' }] });
  assert.equal(textOf(tree, 'etc/motd'), 'grüße');
  const { mode, uid, gid, mtime, size } = tree.get('etc/motd') ?? {};
  assert.deepEqual([mode, uid, gid, mtime, size], [0o644, 0, 0, EPOCH, 7]);
});

test('folders on the way are made, and those that are there are left as they are', () => {
  const tree = apply({
    files: [{ path: '/etc/a/b/c', mode: 0o600, text: '' }],
    links: [{ path: '/opt/l', target: 'x' }],
  });
  for (const path of ['etc/a', 'etc/a/b', 'opt']) {
    assert.deepEqual([tree.get(path)?.kind, tree.get(path)?.mode], ['folder', 0o755]);
  }
  assert.equal(tree.get('opt/l')?.target, 'x');
  assert.equal(tree.get('etc')?.mode, 0o751);
});

test('a folder in the way of a file, and a file or link in the way of a folder, are told with what is there', () => {
  const put = (path: string) => () => apply({ files: [{ path, mode: 0o644, text: '' }] });
  for (const [path, message] of [
    ['/etc/cron.d', /etc\/cron.d is a folder there/],
    ['/etc/motd/x', /etc\/motd is a file there/],
    ['/lib/x', /lib is a link to usr\/lib there/],
  ] as const)
    assert.throws(put(path), { code: 'definition.file-place', message });
});

test('what is removed goes with all below it, and nothing that only begins like it', () => {
  const tree = apply({ removes: ['/etc/cron.d', '/absent'] });
  assert.deepEqual(
    [...packages().keys()].filter((path) => !tree.has(path)),
    ['etc/cron.d', 'etc/cron.d/a'],
  );
});

test("the packages' order and the given tree stay, and programs come last", () => {
  const before = packages();
  const programs = [{ path: '/usr/local/bin/agent', size: 3, source: Buffer.from('bin') }];
  const files = ['/etc/motd', '/aaa'].map((path) => ({ path, mode: 0o644, text: 'new' }));
  const units: Overlay['units'] = [{ unit: 'x.service', state: 'masked' }];
  const tree = applyOverlay(before, { links: [], removes: ['/etc/cron.d'], files, units, programs }, EPOCH);
  const moved = ['etc/cron.d', 'etc/cron.d/a', 'etc/motd'];
  const kept = [...packages().keys()].filter((path) => !moved.includes(path));
  assert.deepEqual([...tree.keys()].slice(0, kept.length), kept);
  assert.equal([...tree.keys()].at(-1), 'usr/local/bin/agent');
  const { mode, size } = tree.get('usr/local/bin/agent') ?? {};
  assert.deepEqual([mode, size], [0o755, 3]);
  assert.deepEqual([...before.keys()], [...packages().keys()]);
  assert.equal(textOf(before, 'etc/motd'), 'old');
});
