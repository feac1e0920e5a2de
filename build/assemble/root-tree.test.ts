import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { planOf } from '../rootfs/testing/archive.ts';
import { diskFiles } from './qcow2-image.ts';
import { makeRootTree } from './root-tree.ts';
import { EPOCH, freshFolder, needs, output } from './testing/images.ts';
import { readTarIndex } from './tree/tar-index.ts';

const TOOLS = needs('tar');
const STATUS = 'Package: dbus\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n';

/** The tree from a tar file of these files and links (a target begins with `->`). */
async function make(t: TestContext, content: Record<string, string>) {
  const folder = freshFolder(t);
  const root = path.join(folder, 'root');
  for (const [name, text] of Object.entries({ 'var/lib/dpkg/status': STATUS, ...content })) {
    const target = path.join(root, name);
    await fs.mkdir(path.dirname(target), { recursive: true });
    if (text.startsWith('->')) await fs.symlink(text.slice(2), target);
    else await fs.writeFile(target, text);
  }
  const tar = path.join(folder, 'packages.tar');
  output(['tar', '--create', '--format=pax', '--file', tar, '--directory', root, '.']);
  await fs.writeFile(path.join(folder, 'agent'), 'the agent');
  const [packages, handle] = await Promise.all([fs.open(tar), fs.open(path.join(folder, 'agent'))]);
  t.after(() => Promise.all([packages.close(), handle.close()]));
  const plan = planOf('http://proxy.example/debian', { files: [], links: [], units: [], removes: [] });
  return await makeRootTree({
    plan,
    packages: await readTarIndex(packages),
    agent: { handle, size: 9 },
    ownFiles: diskFiles(plan),
    epoch: EPOCH,
    imageId: 'test-1',
  });
}

test('the tree has the packages, the agent last, and what depends on the disk', TOOLS, async (t) => {
  const { tree, packages, read } = await make(t, { 'etc/apt/sources.list': 'deb http://build.example x y' });
  assert.deepEqual(packages, [{ name: 'dbus', version: '1', architecture: 'amd64', source: 'dbus' }]);
  assert.equal([...tree.keys()].at(-1), 'usr/local/bin/node-agent');
  assert.equal(String(await read('/usr/local/bin/node-agent')), 'the agent');
  assert.match(String(await read('/etc/fstab')), /^\/dev\/root \/ ext4 /);
  assert.match(String(await read('/boot/grub/clusteros.cfg')), /root=UUID=\$uuid /);
  assert.equal(tree.has('etc/apt/sources.list'), false);
});

test("a node's package sources are all suites with their keyring", TOOLS, async (t) => {
  const { read } = await make(t, {});
  const text = String(await read('/etc/apt/sources.list.d/clusteros.sources'));
  assert.match(text, /^Suites: trixie trixie-updates$/m);
  assert.match(text, /^Suites: trixie-security$/m);
  assert.equal(text.match(/^Signed-By: \/usr\/share\/keyrings\//gm)?.length, 2);
});

test(
  'a file is read through relative and absolute links, and a lost one is told by its name',
  TOOLS,
  async (t) => {
    const { read } = await make(t, {
      'usr/lib/shim/shim.efi': 'shim',
      'usr/lib/shim/relative': '->shim.efi',
      'usr/lib/absolute': '->/usr/lib/shim/relative',
      'usr/lib/up': '->../lib/shim/shim.efi',
      'usr/lib/loop': '->loop',
      'usr/lib/empty': '',
    });
    for (const name of ['shim/shim.efi', 'shim/relative', 'absolute', 'up']) {
      assert.equal(String(await read(`/usr/lib/${name}`)), 'shim', name);
    }
    assert.equal((await read('/usr/lib/empty')).length, 0);
    await assert.rejects(read('/usr/lib/loop'), /no file \/usr\/lib\/loop/);
    await assert.rejects(read('/usr/lib/lost'), /no file \/usr\/lib\/lost/);
    await assert.rejects(read('/usr/lib'), /no file \/usr\/lib/);
  },
);

test('packages that are left half-configured end the build', TOOLS, async (t) => {
  const status = STATUS.replace('ok installed', 'ok half-configured');
  await assert.rejects(make(t, { 'var/lib/dpkg/status': status }), /dbus is left in the state/);
});
