import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { needsLoops } from '../../build/flash/testing/sticks.ts';
import { createProgram } from '../cli/program.ts';
import { AgentError } from '../errors.ts';
import { makeSandbox, type Sandbox } from '../testing/sandbox.ts';
import { type Loop, liveFolder, loopDisk, type Undo, undoing } from './testing/system.ts';
import { unfinishedMark } from './write.ts';

const GB = 1e9;
const MIB = 1024 * 1024;
const NEEDS = needsLoops('lsblk', 'wipefs', 'mkfs.ext4', 'mkfs.vfat', 'sfdisk', 'e2fsck');

interface Ran {
  readonly error: AgentError | undefined;
  readonly out: string;
  readonly shown: string;
}

async function install(
  { environment, paths }: Sandbox,
  source: string,
  disks: readonly Loop[],
  options: {
    readonly medium?: string;
    readonly typed?: readonly string[];
    /** While the question to confirm stands. */
    readonly meanwhile?: () => void;
  } = {},
): Promise<Ran> {
  let [out, shown] = ['', ''];
  const typed = [...(options.typed ?? [])];
  const program = createProgram({
    environment,
    paths,
    print: (stream, text) => {
      if (stream === 'stdout') out += text;
      else shown += text;
    },
    asker: {
      isInteractive: () => options.typed !== undefined,
      askLine: async (question) => {
        shown += question;
        if (question.startsWith('Type ')) options.meanwhile?.();
        return typed.shift() ?? 'q';
      },
    },
  });
  const loops = disks.map((disk) => disk.path).join(',');
  const medium = options.medium === undefined ? [] : ['--medium', options.medium];
  try {
    await program(['install', '--json', '--source', source, '--loop', loops, ...medium]);
    return { error: undefined, out, shown };
  } catch (error) {
    assert.ok(error instanceof AgentError, String((error as Error).stack));
    return { error, out, shown };
  }
}

function prepare(t: TestContext, settings: string) {
  const undo = undoing(t);
  const sandbox = makeSandbox(t);
  const folder = path.dirname(sandbox.paths.state);
  const seed = path.join(sandbox.paths.seed, 'clusteros');
  mkdirSync(seed, { recursive: true });
  writeFileSync(path.join(seed, 'install.yaml'), settings);
  writeFileSync(path.join(seed, 'cluster.key'), `${Buffer.alloc(32, 7).toString('base64')}\n`);
  writeFileSync(path.join(seed, 'node.yaml'), 'cluster:\n  name: lab\n');
  writeFileSync(path.join(sandbox.paths.seed, 'meta-data'), 'instance-id: x\n');
  writeFileSync(path.join(sandbox.paths.seed, 'user-data'), '#cloud-config\n');
  return { undo, sandbox, folder, source: liveFolder(folder) };
}

/** Look at the installed system as its kernel would. */
function inspect(undo: Undo, folder: string, disk: Loop, sector: number, size = 8 * GB) {
  assert.match(execFileSync('sfdisk', ['--verify', disk.path], { encoding: 'utf8' }), /No errors detected/);
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', disk.path], { encoding: 'utf8' }));
  const parts = partitiontable.partitions as { name: string; start: number; size: number }[];
  assert.deepEqual(
    parts.map(({ name }) => name),
    ['bios-boot', 'esp', 'root'],
  );
  const root = parts[2];
  assert.ok(root && root.size * sector > 0.99 * size);
  const argv = ['--find', '--show', '--offset', String(root.start * sector), disk.path];
  const device = execFileSync('losetup', argv, { encoding: 'utf8' }).trim();
  undo(['losetup', '--detach', device]);
  assert.equal(spawnSync('e2fsck', ['-f', '-n', device]).status, 0);
  const place = path.join(folder, `root-${path.basename(disk.file)}`);
  mkdirSync(place);
  execFileSync('mount', ['-o', 'ro', device, place]);
  undo(['umount', place]);
  return path.join(place, 'var/lib/clusteros');
}

for (const [sector, size] of [
  [512, 8 * GB],
  [4096, 8 * GB],
  // More sectors than 32 bits can count.
  [512, 3000 * GB],
] as const) {
  const what = `${size / GB} GB, sectors of ${sector}`;
  test(`an unattended installation is whole, and has the seed (${what})`, NEEDS, async (t) => {
    const { undo, sandbox, folder, source } = prepare(t, 'unattended: true\nafter: wait\n');
    const disk = loopDisk(undo, folder, size - (size % 4096), sector);
    const { error, out, shown } = await install(sandbox, source, [disk]);
    assert.equal(error, undefined, `${error?.message} ${error?.evidence}`);
    const result = JSON.parse(out);
    assert.equal(result.disk.path, disk.path);
    assert.deepEqual(result.seed, {
      taken: ['cluster.key', 'node.yaml', 'meta-data', 'user-data'],
      refused: [],
    });
    assert.match(shown, /Writing +100 %[\s\S]*Reading back +100 %[\s\S]*all of\nit was read back|read back/);
    const state = inspect(undo, folder, disk, sector, size);
    assert.equal(
      readFileSync(path.join(state, 'cluster.key'), 'utf8'),
      `${Buffer.alloc(32, 7).toString('base64')}\n`,
    );
    assert.equal(readFileSync(path.join(state, 'node.yaml'), 'utf8'), 'cluster:\n  name: lab\n');
    for (const name of ['cluster.key', 'node.yaml', 'seed/meta-data', 'seed/user-data', 'install.json']) {
      assert.equal(statSync(path.join(state, name)).mode & 0o777, 0o600, name);
    }
    assert.equal(statSync(state).mode & 0o777, 0o700);
    assert.ok(!shown.includes(Buffer.alloc(32, 7).toString('base64')));
  });
}

test('two disks of one image have no id in common', NEEDS, async (t) => {
  const { undo, sandbox, folder, source } = prepare(t, 'unattended: true\nafter: wait\n');
  const ids: string[][] = [];
  for (let count = 0; count < 2; count++) {
    const disk = loopDisk(undo, folder, 8 * GB);
    assert.equal((await install(sandbox, source, [disk])).error, undefined);
    const { partitiontable } = JSON.parse(
      execFileSync('sfdisk', ['--json', disk.path], { encoding: 'utf8' }),
    );
    const parts = partitiontable.partitions as { uuid: string; start: number }[];
    const offset = String((parts[2]?.start ?? 0) * 512);
    const probe = ['--probe', '--offset', offset, '--match-tag', 'UUID', '--output', 'value', disk.path];
    const root = execFileSync('blkid', probe, { encoding: 'utf8' }).trim();
    ids.push([partitiontable.id, root, ...parts.map(({ uuid }) => uuid)]);
    inspect(undo, folder, disk, 512);
  }
  const all = ids.flat();
  assert.equal(all.length, 10);
  assert.equal(new Set(all).size, 10, all.join(' '));
});

test('each disk that may not be written to is refused with its reason', NEEDS, async (t) => {
  const { undo, sandbox, folder, source } = prepare(t, 'unattended: true\nafter: wait\n');
  const disks = Object.fromEntries(
    ['empty', 'other', 'gpt', 'ext4', 'text', 'small'].map((name) => [
      name,
      loopDisk(undo, folder, name === 'small' ? 4 * GB : 8 * GB),
    ]),
  ) as Record<string, Loop>;
  const { empty, other, gpt, ext4, text, small } = disks;
  assert.ok(empty && other && gpt && ext4 && text && small);
  execFileSync('sfdisk', ['--quiet', gpt.path], { input: 'label: gpt\nsize=100M\n' });
  execFileSync('mkfs.ext4', ['-q', '-F', ext4.path, '64M']);
  writeFileSync(text.path, 'something that nobody knows\n', { flag: 'r+' });
  const refused = async (list: readonly Loop[], message: RegExp, evidence: RegExp, medium?: string) => {
    const { error } = await install(sandbox, source, list, medium === undefined ? {} : { medium });
    assert.equal(error?.code, 'install.no-disk');
    assert.match(error?.message ?? '', message);
    assert.match(error?.evidence ?? '', evidence);
  };
  await refused([empty, other], /several empty disks/, /empty/);
  await refused([gpt], /no disk is empty/, /holds a partition table \(gpt\)/);
  await refused([ext4], /no disk is empty/, /holds a file system or volume \(ext4\)/);
  await refused([text], /no disk is empty/, /holds unknown data/);
  await refused([small], /no disk is empty/, /too small: 4.0 GB/);
  await refused([empty], /no disk but the one/, /the installer runs from it/, empty.path);
  if (spawnSync('pvcreate', ['--version']).status === 0) {
    execFileSync('pvcreate', ['-y', '-q', other.path], { stdio: 'pipe' });
    await refused([other], /no disk is empty/, /volume of LVM \(LVM2_member\)/);
  }
  const image = path.join(folder, 'mounted');
  mkdirSync(image);
  execFileSync('mount', [ext4.path, image]);
  undo(['umount', image]);
  await refused([ext4], /no disk is empty/, /in use: loop\d+ is mounted at/);
});

test('an installation that was cut off is begun again without leave to wipe', NEEDS, async (t) => {
  const { undo, sandbox, folder, source } = prepare(t, 'unattended: true\nafter: wait\n');
  const disk = loopDisk(undo, folder, 8 * GB);
  execFileSync('sfdisk', ['--quiet', disk.path], { input: 'label: gpt\nsize=100M\n' });
  assert.equal((await install(sandbox, source, [disk])).error?.code, 'install.no-disk');
  writeFileSync(disk.path, unfinishedMark(), { flag: 'r+' });
  assert.equal((await install(sandbox, source, [disk])).error, undefined);
  inspect(undo, folder, disk, 512);
});

test('at the console a disk is picked and confirmed by hand', NEEDS, async (t) => {
  const { undo, sandbox, folder, source } = prepare(t, 'after: wait\n');
  const [one, two] = [loopDisk(undo, folder, 8 * GB), loopDisk(undo, folder, 8 * GB)];
  const left = await install(sandbox, source, [one, two], { typed: ['q'] });
  assert.match(left.shown, /several empty disks[\s\S]*Nothing was installed/);
  const { error, shown } = await install(sandbox, source, [one, two], { typed: ['r', two.path, 'yes'] });
  assert.equal(error, undefined, `${error?.message}`);
  assert.match(shown, /Type yes to install/);
  inspect(undo, folder, two, 512);
});

for (const [what, exchange, evidence] of [
  ['was exchanged for another empty one', () => {}, /its sequence number was \d+ and is \d+/],
  [
    'was exchanged for one with data',
    (file: string) => execFileSync('mkfs.ext4', ['-q', '-F', file, '64M']),
    /its contents was nothing and is a file system or volume \(ext4\)/,
  ],
] as const) {
  test(`a disk that ${what} while the question stood is not written`, NEEDS, async (t) => {
    const { undo, sandbox, folder, source } = prepare(t, 'after: wait\n');
    const [one, two] = [loopDisk(undo, folder, 8 * GB), loopDisk(undo, folder, 8 * GB)];
    exchange(two.file);
    execFileSync('losetup', ['--detach', two.path]);
    const blocks = () => spawnSync('du', ['--block-size=1', two.file], { encoding: 'utf8' }).stdout;
    const before = blocks();
    const meanwhile = () => {
      execFileSync('losetup', ['--detach', one.path]);
      execFileSync('losetup', [one.path, two.file]);
    };
    const { error } = await install(sandbox, source, [one], { typed: ['yes'], meanwhile });
    assert.equal(error?.code, 'install.exchanged', String(error));
    assert.match(error?.message ?? '', evidence);
    assert.equal(blocks(), before);
  });
}

test('a disk that something was written to while the question stood is not written', NEEDS, async (t) => {
  const { undo, sandbox, folder, source } = prepare(t, 'after: wait\n');
  const disk = loopDisk(undo, folder, 8 * GB);
  const meanwhile = () => writeFileSync(disk.path, 'what nobody saw\n', { flag: 'r+' });
  const { error } = await install(sandbox, source, [disk], { typed: ['yes'], meanwhile });
  assert.equal(error?.code, 'install.exchanged', String(error));
  assert.match(error?.message ?? '', /its contents was nothing and is unknown data/);
  assert.match(spawnSync('head', ['-c', '20', disk.path], { encoding: 'utf8' }).stdout, /^what nobody saw/);
});

test('a damaged image on the medium leaves the disk without a system', NEEDS, async (t) => {
  const { undo, sandbox, folder, source } = prepare(t, 'unattended: true\nafter: wait\n');
  const disk = loopDisk(undo, folder, 8 * GB);
  const root = readFileSync(path.join(source, 'root.ext4'));
  root[MIB] = (root[MIB] ?? 0) ^ 1;
  root[1100] = (root[1100] ?? 0) ^ 1;
  writeFileSync(path.join(source, 'root.ext4'), root);
  assert.equal((await install(sandbox, source, [disk])).error?.code, 'install.source');
  assert.notEqual(spawnSync('sfdisk', ['--json', disk.path]).status, 0);
  writeFileSync(path.join(source, 'install.json'), '{}');
  assert.equal((await install(sandbox, source, [disk])).error?.code, 'install.image');
});

test('settings for installing that are not understood stop everything', NEEDS, async (t) => {
  const { undo, sandbox, folder, source } = prepare(t, 'disk: {size: big}\nwip: all\n');
  const { error } = await install(sandbox, source, [loopDisk(undo, folder, 8 * GB)]);
  assert.equal(error?.code, 'install.settings');
  assert.match(error?.evidence ?? '', /install.yaml:1:8: disk.size[\s\S]*install.yaml:2:1: wip/);
});
