import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT_CODES } from '../errors.ts';
import { cleanFolder } from './clean.ts';
import { ignoreLines, nameFrom } from './init.ts';
import { judgeSignal } from './interrupt.ts';
import { runCli } from './testing/run-cli.ts';

async function freshFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cli-test.'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('--help names every exit code and every command, and is no failure', async () => {
  const { code, stdout, stderr } = await runCli('--help');
  assert.equal(code, 0);
  assert.equal(stderr, '');
  for (const exit of Object.values(EXIT_CODES)) assert.ok(stdout.includes(exit.meaning));
  for (const command of ['init', 'plan', 'doctor', 'cache', 'schema', 'clean'])
    assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
});

test('a misspelt command or option is a usage error that names the right one', async () => {
  const command = await runCli('plam');
  assert.equal(command.code, 2);
  assert.match(command.stderr, /unknown command 'plam' \(Did you mean plan\?\)/);
  assert.equal(command.stdout, '');
  const option = await runCli('plan', '--jsno');
  assert.match(option.stderr, /unknown option '--jsno' \(Did you mean --json\?\)/);
  assert.equal((await runCli()).code, 2);
  assert.equal((await runCli('cache', 'prune', '--keep', 'some')).code, 2);
});

test('a secret in place of its file is refused and not repeated, whatever the command is', async () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const token = `${'A'.repeat(8)}.${'b'.repeat(24)}`;
  for (const args of [
    ['seed', '--key', key],
    ['seed', `--token=${token}`],
    ['flash', 'sdz', 'x.img', '--key', key],
    ['cluster', 'up', '--key', key],
    ['plan', '--definition', token, '--json'],
  ]) {
    const { code, stdout, stderr } = await runCli(...args);
    assert.equal(code, 2);
    assert.match(stdout + stderr, /a file is expected/);
    assert.ok(!(stdout + stderr).includes(key) && !(stdout + stderr).includes(token), args.join(' '));
  }
});

test('a password in an address is not repeated', async (t) => {
  const address = 'https://me:hunter2@mirror.example/debian';
  const file = path.join(await freshFolder(t), 'cluster.yaml');
  await writeFile(file, `name: lab\nbase: {mirror: "${address}"}\n`);
  for (const args of [
    ['--mirror', address],
    ['--definition', file],
  ]) {
    const { code, stderr } = await runCli('plan', ...args);
    assert.equal(code, 2);
    assert.match(stderr, /address/);
    assert.doesNotMatch(stderr, /hunter2/);
  }
});

test('an error is text on stderr, and with --json one document on stdout', async (t) => {
  const file = path.join(await freshFolder(t), 'cluster.yaml');
  await writeFile(file, 'nmae: x\n');
  const text = await runCli('plan', '--definition', file);
  assert.deepEqual([text.code, text.stdout], [2, '']);
  assert.match(
    text.stderr,
    /^clusteros: one mistake in the definition .*\n {2}\/.*cluster\.yaml:1:1: nmae: unknown key.*did you mean name\?\n {2}fix: /,
  );
  assert.ok(!text.stderr.includes('    at '), 'no stack for a mistake of the operator');
  const json = await runCli('--json', 'plan', '--definition', file);
  assert.deepEqual([json.code, json.stderr], [2, '']);
  assert.equal(JSON.parse(json.stdout).error.code, 'definition.invalid');
});

test('init writes a definition, a key for the owner only, and hides the key from git', async (t) => {
  const folder = path.join(await freshFolder(t), 'My Lab');
  assert.equal((await runCli('init', folder)).code, 0);
  assert.deepEqual((await readdir(folder)).sort(), ['.gitignore', 'cluster.key', 'cluster.yaml', 'seed.img']);
  assert.equal((await stat(path.join(folder, 'seed.img'))).mode & 0o777, 0o600);
  const key = path.join(folder, 'cluster.key');
  assert.equal((await stat(key)).mode & 0o777, 0o600);
  assert.equal(Buffer.from(await readFile(key, 'utf8'), 'base64').length, 32);
  assert.match(await readFile(path.join(folder, '.gitignore'), 'utf8'), /^cluster\.key$/m);
  assert.match(await readFile(path.join(folder, '.gitignore'), 'utf8'), /^seed\.img$/m);
  assert.match(await readFile(path.join(folder, 'cluster.yaml'), 'utf8'), /^name: my-lab$/m);
});

test('init never replaces a definition unless forced, and a key not even then', async (t) => {
  const folder = await freshFolder(t);
  await runCli('init', folder);
  const key = await readFile(path.join(folder, 'cluster.key'), 'utf8');
  await writeFile(path.join(folder, 'cluster.yaml'), 'name: mine\n');
  const refused = await runCli('init', folder);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /--force/);
  assert.equal(await readFile(path.join(folder, 'cluster.yaml'), 'utf8'), 'name: mine\n');
  assert.equal((await runCli('init', folder, '--force')).code, 0);
  assert.notEqual(await readFile(path.join(folder, 'cluster.yaml'), 'utf8'), 'name: mine\n');
  assert.equal(await readFile(path.join(folder, 'cluster.key'), 'utf8'), key);
});

test('init that cannot write everything leaves nothing', async (t) => {
  const folder = await freshFolder(t);
  const target = path.join(folder, 'file');
  await writeFile(target, '');
  const { code, stderr } = await runCli('init', path.join(target, 'below'));
  assert.equal(code, EXIT_CODES.storage.code);
  assert.match(stderr, /a part of the path is a file/);
  // A folder where .gitignore belongs.
  const half = path.join(folder, 'half');
  await runCli('init', half);
  await rm(path.join(half, '.gitignore'));
  await rm(path.join(half, 'cluster.key'));
  await rm(path.join(half, 'cluster.yaml'));
  await rm(path.join(half, 'seed.img'));
  await mkdir(path.join(half, '.gitignore'));
  assert.equal((await runCli('init', half)).code, EXIT_CODES.storage.code);
  assert.deepEqual(await readdir(half), ['.gitignore']);
});

test('an ignore file keeps its bytes and gains only what it lacks', () => {
  const lines = (bytes: Buffer) => ignoreLines(bytes, '.gitignore');
  const present = Buffer.from('caf\u00e9\ncluster.key', 'latin1');
  const added = lines(present);
  assert.match(added, /^\n# Secrets/);
  assert.doesNotMatch(added, /^cluster\.key$/m);
  assert.equal(lines(Buffer.concat([present, Buffer.from(added)])), '');
  assert.equal(lines(Buffer.from(lines(Buffer.alloc(0)).replaceAll('\n', '\r\n'))), '');
  assert.throws(() => lines(Buffer.from('\ufeff*.o\n', 'utf16le')), { code: 'init.ignore' });
});

test('the next commands are ones that a shell takes, also for a folder with a blank', async (t) => {
  const folder = path.join(await freshFolder(t), 'my lab');
  const { code, stdout } = await runCli('init', folder);
  assert.equal(code, 0);
  assert.ok(stdout.includes(`plan --definition '${folder}/cluster.yaml'`), stdout);
  const seed = await runCli('--definition', `${folder}/cluster.yaml`, 'seed', '--output', `${folder}/a.iso`);
  assert.match(seed.stdout, /-drive 'file=.*my lab\/a\.iso,format=raw/);
});

test('a folder gives a name that the definition accepts', () => {
  for (const folder of ['/a/My Lab_2', '/a/2024-lab', '/', '/a/-', `/a/${'x-'.repeat(40)}`, '/a/ü']) {
    assert.match(nameFrom(folder), /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/, folder);
  }
});

test('one key press that arrives twice is one stop, and a second press ends at once', () => {
  assert.equal(judgeSignal(undefined, 1000), 'stop');
  assert.equal(judgeSignal(1000, 1005), 'echo');
  assert.equal(judgeSignal(1000, 2000), 'end-now');
});

test('clean leaves a file in the place of the output folder, and says so', async (t) => {
  const folder = await freshFolder(t);
  const file = path.join(folder, 'dist');
  await writeFile(file, 'mine');
  assert.deepEqual(await cleanFolder(file), [file]);
  assert.equal(await readFile(file, 'utf8'), 'mine');
});
