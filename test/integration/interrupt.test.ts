// needs: images, cpu 0.9, memory 3 GiB
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../build/host.ts';
import { cli, ownCache } from '../images.ts';
import { signedButHanging, silentMirror } from '../mirrors.ts';
import { type Ended, type Running, startCommand } from '../running.ts';
import {
  assertCacheWhole,
  assertNothingRuns,
  assertOutputWhole,
  endWhatRuns,
  processesIn,
} from '../traces.ts';

/** "Within seconds": and before a SIGKILL that follows ten seconds after an unheard SIGTERM. */
const SECONDS = 8_000;
const ARTIFACT = 'clusteros-debian-13-amd64';

/** One cache through all of it: each build finds what the stopped ones before it left. */
describe('a build that is stopped', () => {
  let folder: string;
  let cache: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'cos-interrupt-'));
    cache = ownCache(folder);
  });
  after(() => {
    endWhatRuns(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  function image(
    output: string,
    options: { args?: readonly string[]; node?: readonly string[] } = {},
  ): Running {
    const { args = [], node = [] } = options;
    const [program = '', ...words] = cli(
      'image',
      '--base',
      'debian-13',
      '--output',
      path.join(folder, output),
      ...args,
    );
    return startCommand([program, ...node, ...words], { cwd: folder, env: { CLUSTEROS_CACHE: cache } });
  }

  async function assertStopped(build: Running, stop: () => void): Promise<void> {
    const before = performance.now();
    stop();
    const ended = await build.ended;
    assert.equal(ended.exit, 130, ended.stderr);
    assert.ok(performance.now() - before < SECONDS, `it took ${performance.now() - before} ms`);
    assert.match(ended.stderr, /\nclusteros: stopped\n$/);
    assert.doesNotMatch(ended.stderr, /a fault of ours|\n\s+at /);
    await assertNothingRuns(folder);
    assertCacheWhole(cache);
  }

  const runs = (what: RegExp) => processesIn(folder).some(({ argv }) => what.test(argv.join(' ')));
  const dpkgRuns = () => runs(/^\S*dpkg .*(--install|--unpack|--configure|--status-fd)/);

  test('by Ctrl-C while it asks the mirror and makes the agent leaves nothing', async () => {
    const mirror = await silentMirror();
    try {
      const build = image('out', { args: ['--mirror', mirror.url] });
      await build.until('both', () => mirror.asked.length > 0 && runs(/--build-sea/));
      await assertStopped(build, () => build.signalGroup('SIGINT'));
      assert.deepEqual(assertOutputWhole(path.join(folder, 'out')), []);
    } finally {
      await mirror.close();
    }
  });

  test('by SIGTERM to its launcher alone while it downloads leaves nothing', async () => {
    const mirror = await signedButHanging();
    try {
      // As with a Node that is too old to become another program.
      const node = ['--import', 'data:text/javascript,process.execve=undefined'];
      const build = image('out', { args: ['--mirror', mirror.url], node });
      await build.until('a download', () => mirror.asked.some((name) => !name.endsWith('InRelease')));
      assert.ok(processesIn(folder).filter(({ argv }) => argv.join(' ').includes(' image ')).length === 2);
      await assertStopped(build, () => build.signalOne('SIGTERM'));
      assert.deepEqual(assertOutputWhole(path.join(folder, 'out')), []);
    } finally {
      await mirror.close();
    }
  });

  test('by kill -9 while it downloads leaves no mount and no process, though nothing is written to a closed pipe', async () => {
    const mirror = await signedButHanging();
    try {
      const build = image('out', { args: ['--mirror', mirror.url] });
      await build.until('a download', () => mirror.asked.some((name) => !name.endsWith('InRelease')));
      build.signalOne('SIGKILL');
      assert.equal((await build.ended).exit, 'SIGKILL');
      await assertNothingRuns(folder);
    } finally {
      await mirror.close();
    }
  });

  test('by Ctrl-C while packages are installed leaves nothing', async () => {
    const build = image('out');
    await build.until('dpkg', dpkgRuns);
    await assertStopped(build, () => build.signalGroup('SIGINT'));
    assert.deepEqual(assertOutputWhole(path.join(folder, 'out')), []);
  });

  test('by kill -9 while packages are installed leaves no mount and no process; the next run clears up and succeeds', async () => {
    const killed = image('out');
    await killed.until('dpkg', dpkgRuns);
    killed.signalOne('SIGKILL');
    assert.equal((await killed.ended).exit, 'SIGKILL');
    await assertNothingRuns(folder);
    assert.ok(globSync('work/*.packages.*', { cwd: cache }).length > 0, 'it was killed in the middle');
    await assertSucceeds(image('out'), 'out');
  });

  test('by Ctrl-C while the image is written leaves nothing; the next run succeeds', async () => {
    const build = image('other');
    await build.until('half an image', () => half('other') > 0);
    await assertStopped(build, () => build.signalGroup('SIGINT'));
    assert.deepEqual(assertOutputWhole(path.join(folder, 'other')), []);

    const killed = image('other');
    await killed.until('half an image', () => half('other') > 0);
    killed.signalGroup('SIGKILL');
    assert.equal((await killed.ended).exit, 'SIGKILL');
    await assertNothingRuns(folder);
    assert.deepEqual(
      readdirSync(path.join(folder, 'other')),
      ['.work'],
      'half an image is never in the open',
    );
    await assertSucceeds(image('other'), 'other');
    const files = ['out', 'other'].map((name) => path.join(folder, name, ARTIFACT, `${ARTIFACT}.qcow2`));
    await run(['cmp', ...files]);
  });

  /** Bytes of the image that is being written. */
  function half(output: string): number {
    const [file] = globSync(`${output}/.work/*/*/*.qcow2`, { cwd: folder });
    return file === undefined ? 0 : (statSync(path.join(folder, file), { throwIfNoEntry: false })?.size ?? 0);
  }

  async function assertSucceeds(build: Running, output: string): Promise<void> {
    const ended: Ended = await build.ended;
    assert.equal(ended.exit, 0, ended.stderr);
    assert.deepEqual(assertOutputWhole(path.join(folder, output)), [ARTIFACT]);
    await run(['sha256sum', '--check', '--strict', 'SHA256SUMS'], {
      cwd: path.join(folder, output, ARTIFACT),
    });
    await assertNothingRuns(folder);
    assertCacheWhole(cache);
  }
});
