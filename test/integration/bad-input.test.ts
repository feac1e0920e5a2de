// needs: images, cpu 0.9, memory 3 GiB
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run, tryRun } from '../../build/host.ts';
import { cacheEnvironment, cli, lastEvent, testImage } from '../images.ts';
import { deadMirror, emptyMirror, portalMirror, silentMirror } from '../mirrors.ts';
import { type Ended, runCommand } from '../running.ts';
import { assertCacheWhole, assertNothingRuns, assertOutputWhole, endWhatRuns } from '../traces.ts';

/** "Within seconds", and as much again for a machine under load. */
const SECONDS = 20_000;

describe('bad input', () => {
  let folder: string;
  let cache: string;
  let output: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'cos-bad-input-'));
    cache = path.join(folder, 'cache');
    output = path.join(folder, 'out');
  });
  after(() => {
    endWhatRuns(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Run the CLI in the folder, with a cache of its own. */
  function clusteros(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
    return runCommand(cli(...args), { cwd: folder, env: { CLUSTEROS_CACHE: cache, ...env } });
  }

  /** It failed with this code and these words, and left nothing. */
  async function assertRefused(ended: Ended, exit: number, ...words: readonly RegExp[]): Promise<void> {
    assert.equal(ended.exit, exit, ended.stderr);
    for (const word of words) assert.match(ended.stderr, word);
    assert.doesNotMatch(ended.stderr, /a fault of ours|\n\s+at /);
    await assertNothingRuns(folder);
    assertCacheWhole(cache);
    assert.deepEqual(assertOutputWhole(output), []);
  }

  describe('a definition', () => {
    for (const [sentence, text, ...words] of [
      ['with an unknown key', 'name: lab\nnmae: lab\n', /cluster\.yaml:2:1: .*unknown key/, /did you mean/],
      [
        'with a value of the wrong type',
        'base:\n  mirror: 5\n',
        /cluster\.yaml:2:3: base\.mirror: expected an http or https address.*found "5"/,
      ],
      ['with one key twice', 'name: lab\nbase: {}\nname: other\n', /cluster\.yaml:3:1: duplicate key/],
      ['that is not YAML', 'name: [lab\n', /cluster\.yaml:\d+:\d+: /],
    ] as const) {
      test(`${sentence} is refused with file, line and column`, async () => {
        const file = path.join(folder, 'cluster.yaml');
        writeFileSync(file, text);
        const ended = await clusteros(['image', '--output', output]);
        rmSync(file);
        await assertRefused(ended, 2, ...words, /fix: /);
      });
    }

    test('that is not there is refused by its name', async () => {
      const ended = await clusteros(['--definition', 'nowhere.yaml', 'plan']);
      assert.ok([2, 5].includes(Number(ended.exit)), ended.stderr);
      assert.match(ended.stderr, /nowhere\.yaml/);
    });
  });

  describe('a cluster key', () => {
    for (const [sentence, bytes, mode, ...words] of [
      ['of 31 bytes', 31, 0o600, /31 bytes; expected base64 of exactly 32 bytes/, /fix: .*init/],
      ['of 33 bytes', 33, 0o600, /33 bytes; expected/, /fix: .*init/],
      ['that others may read', 32, 0o644, /may be read by others \(mode 644\)/, /fix: chmod 600 /],
    ] as const) {
      test(`${sentence} makes no seed, and is not repeated in the error`, async () => {
        const key = Buffer.alloc(bytes, 0x5a).toString('base64');
        const file = path.join(folder, 'cluster.key');
        writeFileSync(file, `${key}\n`);
        chmodSync(file, mode);
        const ended = await clusteros(['seed', '--key', file, '--output', path.join(folder, 'seed.iso')]);
        await assertRefused(ended, 2, ...words);
        assert.ok(!ended.stderr.includes(key));
        assert.deepEqual(
          readdirSync(folder).filter((name) => name.includes('seed')),
          [],
        );
      });
    }
  });

  describe('a mirror', () => {
    const setting = [
      /the mirror was set by the flag --mirror/,
      /fix: .*--mirror URL, or base\.mirror/,
    ] as const;

    test('that refuses connections is one error within seconds, which names the setting', async () => {
      const mirror = await deadMirror();
      const ended = await clusteros(['image', '--output', output, '--mirror', mirror]);
      await assertRefused(ended, 4, /ECONNREFUSED/, ...setting);
      assert.ok(ended.ms < SECONDS, `${ended.ms} ms`);
      assert.equal(ended.stderr.match(/^clusteros: /gm)?.length, 1, ended.stderr);
    });

    for (const [sentence, start, word] of [
      ['never answers', silentMirror, /no answer within 8000 ms/],
      ['has nothing', emptyMirror, /answers with status 404/],
      ['is a log-in page', portalMirror, /is not a Release file/],
    ] as const) {
      test(`that ${sentence} is one error within seconds, which names the setting`, async () => {
        const mirror = await start();
        try {
          const ended = await clusteros(['image', '--output', output, '--mirror', mirror.url]);
          await assertRefused(ended, 4, word, ...setting);
          assert.ok(ended.ms < SECONDS, `${ended.ms} ms`);
        } finally {
          await mirror.close();
        }
      });
    }

    for (const [base, suite] of [
      ['ubuntu-24.04', 'noble'],
      ['ubuntu-26.04', 'resolute'],
    ] as const) {
      test(`of ${base} that is dead leaves a plan that can be read, and an image's clear error`, async () => {
        const flags = ['--base', base, '--mirror', await deadMirror()];
        const plan = await clusteros(['plan', '--json', ...flags]);
        assert.equal(plan.exit, 0, plan.stderr);
        const { packages, apt, cache: stages } = JSON.parse(plan.stdout);
        for (const name of ['systemd-sysv', 'grub-efi-amd64-signed', 'shim-signed', 'etcd-server']) {
          assert.ok(packages.includes(name), `${name} of ${packages.join(' ')}`);
        }
        assert.equal(apt.suites[0].suite, suite);
        assert.equal(stages[0].state, 'unknown');
        await assertRefused(
          await clusteros(['image', '--output', output, ...flags]),
          4,
          new RegExp(suite),
          ...setting,
        );
      });
    }

    test('is not to blame for a keyring that is missing', async () => {
      const definition = path.join(folder, 'keyring.yaml');
      writeFileSync(definition, `base:\n  name: debian-13\n  keyring: ${folder}/no-keyring.gpg\n`);
      const ended = await clusteros(['--definition', definition, 'image', '--output', output]);
      await assertRefused(
        ended,
        3,
        /the keyring of debian-13 is missing: .*no-keyring\.gpg/,
        /fix: .*debian-archive-keyring/,
      );
    });
  });

  test('a missing program is named before any work is done', async () => {
    for (const [program, args, ...words] of [
      ['mmdebstrap', [], /not installed: mmdebstrap/, /fix: .*doctor --fix/],
      ['mcopy', [], /not installed: mcopy/, /fix: .*doctor --fix/],
      [
        'packer',
        ['--engine=packer'],
        /needs Packer, and it is not installed/,
        /fix: .*apt-get install packer/,
      ],
      ['ssh-keygen', ['--engine=packer'], /not installed: ssh-keygen/, /fix: .*doctor --fix/],
    ] as const) {
      const bin = path.join(folder, `without-${program}`);
      mkdirSync(bin);
      for (const name of readdirSync('/usr/bin')) {
        if (name !== program) symlinkSync(path.join('/usr/bin', name), path.join(bin, name));
      }
      const ended = await clusteros(['image', '--output', output, ...args], { PATH: bin });
      rmSync(bin, { recursive: true });
      await assertRefused(ended, 3, ...words);
      assert.doesNotMatch(ended.stderr, /packages \.\.\./);
    }
  });

  describe('a folder', () => {
    test('with a file in its way is refused before any work is done', async () => {
      const file = path.join(folder, 'in-the-way');
      writeFileSync(file, 'mine');
      const refusals = [
        [file, /in-the-way is a file; the artifact needs a folder/],
        [path.join(file, 'deeper'), /in-the-way\/deeper.*a part of the path is a file, not a folder/],
      ] as const;
      for (const [place, words] of refusals) {
        const ended = await clusteros(['image', '--output', place]);
        await assertRefused(ended, 5, words);
        assert.doesNotMatch(ended.stderr, /packages \.\.\./);
      }
      assert.equal(readFileSync(file, 'utf8'), 'mine');
      await assertRefused(
        await clusteros(['image', '--output', output], { CLUSTEROS_CACHE: file }),
        5,
        /in-the-way is a file; the cache needs a folder/,
      );
    });

    test('that is read-only is refused before any work is done', async (t) => {
      await withTmpfs('ro', async (place) => {
        if (place === undefined) return t.skip('mounting is not permitted');
        const ended = await clusteros(['image', '--output', place]);
        assert.equal(ended.exit, 5, ended.stderr);
        assert.match(ended.stderr, /cannot make the folder/);
        assert.doesNotMatch(ended.stderr, /packages \.\.\./);
      });
    });

    test('that fills up gets no half an image; with room the same command succeeds', async (t) => {
      // The packages of the other tests' cache, so that the disk is full after seconds.
      const { sha256 } = await testImage('debian-13');
      const build = (place: string) =>
        clusteros(['image', '--json', '--base', 'debian-13', '--output', place], {
          CLUSTEROS_CACHE: '',
          ...cacheEnvironment(),
        });
      await withTmpfs('size=16m', async (place) => {
        if (place === undefined) return t.skip('mounting is not permitted');
        const ended = await build(place);
        assert.equal(ended.exit, 5, ended.stdout);
        assert.deepEqual(lastEvent(ended.stdout).error.code, 'disk.full');
        assert.match(lastEvent(ended.stdout).error.fix, /free some space .* or choose/);
        assert.deepEqual(readdirSync(place), []);
        await run(['mount', '-o', 'remount,size=2g', place]);
        const again = await build(place);
        assert.equal(again.exit, 0, again.stdout);
        assert.equal(lastEvent(again.stdout).sha256, sha256);
        assertOutputWhole(place);
      });
    });

    test('of the cache that fills up is one clear error, and stays without half entries', async (t) => {
      await withTmpfs('size=64m', async (place) => {
        if (place === undefined) return t.skip('mounting is not permitted');
        const ended = await clusteros(['image', '--json', '--output', output], { CLUSTEROS_CACHE: place });
        assert.equal(ended.exit, 5, ended.stdout);
        assert.equal(lastEvent(ended.stdout).error.code, 'disk.full');
        assertCacheWhole(place);
      });
      await assertNothingRuns(folder);
    });
  });

  /** A small file system for a while; undefined where mounting is not permitted. */
  async function withTmpfs(
    options: string,
    use: (place: string | undefined) => Promise<void>,
  ): Promise<void> {
    const place = mkdtempSync(path.join(folder, 'tmpfs-'));
    const mounted = await tryRun(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', place]);
    if (mounted.exitCode !== 0) return await use(undefined);
    try {
      await use(place);
    } finally {
      await run(['umount', place]);
    }
  }
});
