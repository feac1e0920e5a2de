import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, describe, test } from 'node:test';
import { cli } from '../images.ts';
import { type Ended, runCommand, startCommand } from '../running.ts';

/** What the commands do with what is there already: they lose nothing that they did not make. */
describe('outputs', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cos-outputs-'));
  after(() => rmSync(folder, { recursive: true }));

  function clusteros(cwd: string, ...args: string[]): Promise<Ended> {
    return runCommand(cli(...args), { cwd, env: { CLUSTEROS_CACHE: path.join(folder, 'cache') } });
  }
  async function lab(name: string): Promise<string> {
    const place = path.join(folder, name);
    assert.equal((await clusteros(folder, 'init', place)).exit, 0);
    return place;
  }
  const onSeed = (image: string) =>
    spawnSync('mdir', ['-b', '-i', image, '::/clusteros'], { encoding: 'utf8' }).stdout;

  test('a seed edited by hand survives init --force and seed, and goes by seed --force', async () => {
    const place = await lab('edited');
    const [image, added] = [path.join(place, 'seed.img'), path.join(place, 'i')];
    writeFileSync(added, 'unattended: true\n');
    spawnSync('mcopy', ['-o', '-i', image, added, '::/clusteros/install.yaml']);
    const again = await clusteros(place, 'init', '--force', '.');
    assert.equal(again.exit, 0, again.stderr);
    assert.match(again.stderr, /no seed was written: .*changed since.*seed --format fat --force/);
    const seed = await clusteros(place, 'seed', '--format', 'fat');
    assert.equal(seed.exit, 2);
    assert.match(seed.stderr, /in the way of the seed[\s\S]*--force/);
    assert.match(onSeed(image), /install\.yaml/);
    assert.equal((await clusteros(place, 'seed', '--format', 'fat', '--force')).exit, 0);
    assert.doesNotMatch(onSeed(image), /install\.yaml/);
    // What we wrote and nobody changed is no question.
    assert.equal((await clusteros(place, 'seed', '--format', 'fat')).exit, 0);
  });

  test('no flag replaces the cluster key, and nothing but a flag a file of the user', async () => {
    const place = await lab('files');
    const key = readFileSync(path.join(place, 'cluster.key'), 'utf8');
    for (const flags of [[], ['--force']]) {
      const ended = await clusteros(place, 'seed', '--output', 'cluster.key', ...flags);
      assert.equal(ended.exit, 2);
      assert.match(ended.stderr, /never replaced/);
    }
    assert.equal(readFileSync(path.join(place, 'cluster.key'), 'utf8'), key);
    for (const [name, ...args] of [
      ['notes.txt', 'seed', '--output', 'notes.txt'],
      ['compose.yaml', 'cluster', 'compose', '--name', 'outputs'],
      ['node-agent', 'agent', '--output', 'node-agent'],
      ['README.md', 'render', '--base', 'ubuntu-24.04', '--packer-version', '1.11', '--out', '.'],
    ] as const) {
      writeFileSync(path.join(place, name), 'mine\n');
      const ended = await clusteros(place, ...args);
      assert.equal(ended.exit, 2, `${name}: ${ended.stderr}`);
      assert.match(ended.stderr, new RegExp(`${name.replace('.', '\\.')}[\\s\\S]*--force`));
      assert.equal(readFileSync(path.join(place, name), 'utf8'), 'mine\n');
    }
  });

  test('a place that cannot hold a file is refused at once, and never an internal error', async () => {
    const place = await lab('places');
    mkdirSync(path.join(place, 'folder'));
    spawnSync('mkfifo', [path.join(place, 'pipe')]);
    for (const [words, ...args] of [
      [/keeps no files/, 'init', '/proc/x'],
      [/keeps no files/, 'seed', '--output', '/sys/seed.img'],
      [/is a folder/, 'seed', '--output', 'folder'],
      [/named pipe/, 'seed', '--output', 'pipe'],
      [/is a device/, 'seed', '--output', '/dev/null'],
      [/\/dev is for devices/, 'seed', '--output', '/dev/no-such-stick'],
      [/is a file; .* needs a folder/, 'render', '--packer-version', '1.11', '--out', 'cluster.yaml'],
      [/is a file; .* needs a folder/, 'image', '--output', 'cluster.yaml'],
      [/is a device/, 'image', '--output', '/dev/null'],
    ] as const) {
      const ended = await clusteros(place, ...args);
      assert.ok([2, 5].includes(Number(ended.exit)), `${args.join(' ')}: ${ended.exit} ${ended.stderr}`);
      assert.match(ended.stderr, words, args.join(' '));
      assert.match(ended.stderr, /fix: /);
    }
  });

  test('a command that hangs on its input ends by one SIGTERM', { timeout: 60_000 }, async () => {
    const place = await lab('hangs');
    const pipe = path.join(place, 'pipe');
    spawnSync('mkfifo', [pipe]);
    const running = startCommand(cli('seed', '--ssh-key', 'pipe'), { cwd: place });
    let writer: number | undefined;
    await running.until('it reads the pipe', () => {
      writer = openWithReader(pipe);
      return writer !== undefined;
    });
    running.signalOne('SIGTERM');
    const ended = await running.ended;
    if (writer !== undefined) closeSync(writer);
    assert.equal(ended.exit, 130, ended.stderr);
  });

  test('clean takes no folder that is not ours', async () => {
    const place = path.join(folder, 'web');
    mkdirSync(path.join(place, 'dist'), { recursive: true });
    writeFileSync(path.join(place, 'dist', 'app.js'), 'app');
    const ended = await clusteros(place, 'clean');
    assert.match(ended.stdout, /left[\s\S]*app\.js/);
    assert.deepEqual(readdirSync(path.join(place, 'dist')), ['app.js']);
    const named = await clusteros(place, 'cluster', 'clean', '--name', '../../..');
    assert.equal(named.exit, 2);
    assert.match(named.stderr, /--name/);
  });
});

/** A pipe opens for writing without waiting when somebody reads it. */
function openWithReader(pipe: string): number | undefined {
  try {
    return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
