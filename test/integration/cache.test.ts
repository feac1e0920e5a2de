// needs: images, cpu 0.9, memory 4 GiB
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cacheFolderOf } from '../../build/cache.ts';
import { run } from '../../build/host.ts';
import { cli, lastEvent, ownCache, type TestImage, testImage } from '../images.ts';
import { type Running, runCommand, startCommand } from '../running.ts';
import {
  assertCacheWhole,
  assertNothingRuns,
  assertOutputWhole,
  endWhatRuns,
  processesIn,
} from '../traces.ts';

describe('a cache', () => {
  let folder: string;
  let cache: string;
  let built: TestImage;
  before(async () => {
    built = await testImage('debian-13');
    folder = mkdtempSync(path.join(tmpdir(), 'cos-cache-'));
    cache = ownCache(folder);
    await run(['cp', '-r', path.join(cacheFolderOf(), 'packages'), cache]);
  });
  after(() => {
    endWhatRuns(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  test('with a truncated entry says so and makes it again, while another build comes in: both end with the same bytes', async () => {
    const { stdout } = await runCommand(cli('cache', 'list', '--json'), at());
    const entries = JSON.parse(stdout).entries.filter((entry: { kind: string }) => entry.kind === 'packages');
    assert.ok(entries.length > 0, stdout);
    for (const { folder: entry } of entries) {
      const tar = path.join(entry, 'packages.tar');
      truncateSync(tar, Math.floor(statSync(tar).size / 2));
    }
    const first = image('out');
    // Opening a cache clears up what dead builds left; this one lives, and is in the middle.
    await first.until('dpkg', () => processesIn(cache).some(({ argv }) => /dpkg$/.test(argv[0] ?? '')));
    const second = image('out');
    await assertSame([first, second], 'out');
    assert.match(
      first.stderr(),
      /packages\.tar has \d+ bytes instead of \d+\): it is removed and made again/,
    );
  });

  test('serves two builds that write one artifact at the same moment', async () => {
    await assertSame([image('together'), image('together')], 'together');
    const again = lastEvent((await image('together').ended).stdout);
    assert.deepEqual([again.upToDate, again.packages.cached, again.sha256], [true, true, built.sha256]);
  });

  async function assertSame(builds: readonly Running[], name: string): Promise<void> {
    for (const { exit, stdout, stderr } of await Promise.all(builds.map(({ ended }) => ended))) {
      assert.equal(exit, 0, stdout + stderr);
      assert.equal(lastEvent(stdout).sha256, built.sha256);
    }
    const output = path.join(folder, name);
    const [artifact = ''] = assertOutputWhole(output);
    await run(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: path.join(output, artifact) });
    await assertNothingRuns(folder);
    assertCacheWhole(cache);
  }

  function image(output: string): Running {
    return startCommand(
      cli('image', '--json', '--base', 'debian-13', '--output', path.join(folder, output)),
      at(),
    );
  }

  function at() {
    return { cwd: folder, env: { CLUSTEROS_CACHE: cache } };
  }
});
