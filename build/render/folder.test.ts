import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { BASE_NAMES, type BaseName } from '../../image-layers/layer.ts';
import { readHostFacts } from '../definition/host-facts.ts';
import { loadDefinition } from '../definition/load.ts';
import { makePlan } from '../definition/make-plan.ts';
import type { Plan } from '../definition/plan.ts';
import { files, run, tryRun } from '../host.ts';
import { basePlan } from './base-image.ts';
import { exportedBytes, shortFolder, stepOf } from './engine.ts';
import { renderFolder, writeFolder } from './folder.ts';
import { renderLayers } from './layer-files.ts';
import { machinePlan } from './machine-plan.ts';
import { choosePacker, parseVersion } from './packer-version.ts';
import { writeRendered } from './rendered-folder.ts';

const work = await files.makeWorkFolder(tmpdir(), 'cosrender');
after(() => files.remove(work));
const [definition, host] = await Promise.all([
  loadDefinition(path.join(import.meta.dirname, '..', '..', 'examples', 'workshop.yaml')),
  readHostFacts(),
]);
const planOf = (base: BaseName) => makePlan(definition, host, { target: 'qcow2', base });
const PACKER_16 = { major: 1, minor: 6, patch: 6 };
const PACKER_111 = { major: 1, minor: 11, patch: 0 };
const env = { CHECKPOINT_DISABLE: '1', HOME: work };

for (const base of BASE_NAMES) {
  test(`packer validate and packer fmt -check pass on what is rendered for ${base}`, async () => {
    const folder = path.join(work, base);
    await writeFolder(folder, await renderFolder(planOf(base), { packer: PACKER_16, epoch: 5 }));
    // Packer would fetch Ubuntu's list of digests to validate.
    const offline = ['-var', 'base_checksum=none'];
    await run(['packer', 'validate', ...offline, '.'], { cwd: folder, env });
    const { stdout } = await run(['packer', 'fmt', '-check', '-diff', '.'], { cwd: folder, env });
    assert.equal(stdout.trim(), '');
    const newer = await renderFolder(planOf(base), { packer: PACKER_111, epoch: 5 });
    const template = newer.find((file) => file.path === 'clusteros.pkr.hcl')?.text ?? '';
    assert.match(template, /required_plugins \{/);
    await files.writeAtomic(path.join(work, `${base}.pkr.hcl`), template);
    await run(['packer', 'fmt', '-check', `${base}.pkr.hcl`], { cwd: work, env });
  });
}

test('every file, link, unit and removal of the plan is in the layers, the last word last', () => {
  const plan = planOf('debian-13');
  const rendered = renderLayers(plan).flatMap((layer) => layer.files);
  const found = new Map<string, string>();
  for (const { path: place, text } of rendered) {
    const tree = /^upload\/layers\/[\w-]+\/tree(\/.*)$/.exec(place)?.[1];
    if (tree !== undefined) found.set(tree, text);
  }
  assert.deepEqual(
    [...found].sort(([one], [other]) => (one < other ? -1 : 1)),
    plan.files.map((file) => [file.path, file.text]),
  );
  const rows = (list: string) =>
    rendered
      .filter((file) => file.path.endsWith(`/${list}`))
      .flatMap((file) => file.text.split('\n').slice(0, -1));
  const modes = new Map(rows('files').map((row) => row.split('\t').reverse() as [string, string]));
  for (const file of plan.files) assert.equal(modes.get(file.path), file.mode.toString(8).padStart(4, '0'));
  assert.deepEqual(
    new Set(rows('links')),
    new Set(plan.links.map(({ path: at, target }) => `${at}\t${target}`)),
  );
  assert.equal(rows('units').length, plan.units.length);
  assert.deepEqual(new Set(rows('removes')), new Set(plan.removes));
});

test('a name with a tab, a line end or a way out of the folder is refused', () => {
  const plan = planOf('debian-13');
  const withFile = (name: string): Plan => ({ ...plan, files: [{ path: name, mode: 0o644, text: '' }] });
  for (const name of ['/etc/a\tb', '/etc/a\nb', '', 'etc/x', '/../x', '/etc/../../x', '/etc//x', '/etc/.'])
    assert.throws(() => renderLayers(withFile(name)), { code: 'render.name' }, JSON.stringify(name));
});

test('names that a shell or HCL would take for commands reach the lists as they are', async () => {
  const plan = planOf('debian-13');
  const names = [
    '/etc/$(reboot)',
    '/etc/a b',
    "/etc/'",
    '/etc/\x24{x}',
    '/etc/{{x}}',
    '/etc/;reboot',
    '/etc/\\n',
  ];
  const hostile = {
    ...plan,
    files: names.map((name) => ({ path: name, mode: 0o600, text: '\x24{x} {{y}}\n' })),
  };
  const rendered = await renderFolder(hostile, { packer: PACKER_16, epoch: 5 });
  const folder = path.join(work, 'hostile');
  await writeFolder(folder, rendered);
  await run(['packer', 'validate', '.'], { cwd: folder, env });
  const list = rendered.find((file) => file.path.endsWith('-definition/files'))?.text;
  assert.equal(list, names.map((name) => `0600\t${name}\n`).join(''));
  const template = rendered.find((file) => file.path === 'clusteros.pkr.hcl')?.text ?? '';
  assert.ok(!template.includes('reboot'));
});

test('the scripts are sound shell, and nothing rendered holds a key', async () => {
  const rendered = await renderFolder(planOf('debian-13'), { packer: PACKER_16, epoch: 5 });
  for (const { path: place, text, mode } of rendered) {
    assert.doesNotMatch(text, /PRIVATE KEY|ssh-ed25519 AAAA/, place);
    if (mode === 0o755) await run(['sh', '-n', '-s'], { input: text });
  }
});

test('rendering again leaves nothing of an earlier definition', async () => {
  const folder = path.join(work, 'again');
  const rendered = await renderFolder(planOf('debian-13'), { packer: PACKER_16, epoch: 5 });
  await writeRendered(folder, [...rendered, { path: 'upload/layers/90-old/files', mode: 0o644, text: '' }]);
  await writeRendered(folder, rendered);
  assert.equal(await files.exists(path.join(folder, 'upload/layers/90-old')), false);
  assert.deepEqual(await renderFolder(planOf('debian-13'), { packer: PACKER_16, epoch: 5 }), rendered);
});

test('a container is made of a disk: nothing of what removes devices, kernel or boot loader runs in the machine', () => {
  const [disk, docker] = (['qcow2', 'docker'] as const).map((target) =>
    makePlan(definition, host, { target, base: 'debian-13' }),
  );
  assert.ok(disk !== undefined && docker !== undefined);
  const machine = machinePlan(docker);
  assert.deepEqual(renderLayers(machine), renderLayers(machinePlan(disk)));
  const removed = renderLayers(machine).flatMap(({ files: all }) =>
    all.filter((file) => file.path.endsWith('/removes')).flatMap((file) => file.text.split('\n')),
  );
  assert.deepEqual(
    removed.filter((place) => /^\/(dev|boot|usr\/lib\/modules)\b/.test(place)),
    [],
  );
  assert.equal(machinePlan(disk), disk);
});

test("what the direct engine's hooks copy is in the folder", async () => {
  const rendered = await renderFolder(planOf('debian-13'), { packer: PACKER_16, epoch: 5 });
  for (const { path: place, text } of rendered.filter((file) => /\/hooks\//.test(file.path)))
    for (const [, wanted = ''] of text.matchAll(/\$here\/\.\.\/((?:grub|initramfs)\/[\w.$-]+)/g)) {
      const name = wanted.replace('$CLUSTEROS_INITRAMFS', 'virtual');
      assert.ok(
        rendered.some((file) => file.path === `upload/provision/${name}`),
        `${place} copies ${name}`,
      );
    }
});

test('the base image of Debian is the layer base and nothing else', () => {
  const plan = planOf('debian-13');
  const base = basePlan(plan);
  assert.ok(base.packages.length < plan.packages.length);
  assert.ok(base.packages.every((name) => plan.packages.includes(name)));
  assert.ok(base.packages.includes('openssh-server') && base.packages.includes('cloud-init'));
  assert.ok(!base.files.some((file) => file.path.startsWith('/etc/clusteros')));
});

test('the Packer of this machine is found, a flag stands over it, and one that is too old is refused', async () => {
  const { stdout } = await tryRun(['packer', 'version'], { env });
  assert.deepEqual((await choosePacker(undefined)).version, parseVersion(stdout));
  assert.deepEqual((await choosePacker('v1.11.2')).version, { major: 1, minor: 11, patch: 2 });
  await assert.rejects(choosePacker('1.5.0'), { code: 'packer.too-old' });
  await assert.rejects(choosePacker('1.6.5'), { code: 'packer.too-old' });
  assert.equal((await choosePacker('1.6')).version.minor, 6);
  for (const flag of ['', 'x', '1', '1.6.6; reboot', '1.2.3.4'])
    await assert.rejects(choosePacker(flag), { code: 'flag.invalid' }, flag);
});

test('an export without its mark is not taken', () => {
  const sector = (text: string) => Buffer.concat([Buffer.from(text), Buffer.alloc(512)], 512);
  assert.equal(exportedBytes(sector('clusteros-export complete 10240\n'), 1 << 20), 10240);
  for (const text of ['', 'clusteros-export complete \n', 'clusteros-export complete 99999999\n', 'x'])
    assert.throws(() => exportedBytes(sector(text), 1 << 20), { code: 'packer.export' }, text);
});

test("what Packer says of its steps is shown, and nothing of others' output", () => {
  assert.equal(
    stepOf('==> qemu.clusteros: Starting VM, booting disk image'),
    'Starting VM, booting disk image',
  );
  assert.equal(stepOf('    qemu.clusteros: Setting up etcd-server'), 'Setting up etcd-server');
  assert.equal(stepOf('Build finished.'), undefined);
});

test("a folder that is too long for a socket's path is none for Packer's plugins", () => {
  assert.equal(shortFolder('/var/tmp'), '/var/tmp');
  assert.equal(shortFolder(`/home/${'long/'.repeat(20)}`), '/tmp');
});
