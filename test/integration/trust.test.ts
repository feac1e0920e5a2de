// needs: images, cpu 0.9, memory 3 GiB
import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../build/host.ts';
import { cacheEnvironment, cli, eventsIn, lastEvent } from '../images.ts';
import { deadMirror } from '../mirrors.ts';
import { type Ended, runCommand } from '../running.ts';
import { assertNothingRuns, endWhatRuns } from '../traces.ts';

const ARTIFACT = 'clusteros-debian-13-amd64-docker';

/** Follows one build from its events to somebody who checks what came of it. Docker's target, for it is the quickest. */
describe('a build that is signed', () => {
  let folder: string;
  let output: string;
  let built: Ended;
  const at = (...names: string[]) => path.join(output, ARTIFACT, ...names);
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'cos-trust-'));
    output = path.join(folder, 'out');
    for (const name of ['release.key', 'other.key']) {
      assert.equal((await clusteros('sign-key', 'create', name)).exit, 0);
    }
    built = await image('--json', '--sign-key', 'release.key');
    assert.equal(built.exit, 0, built.stdout);
  });
  after(() => {
    endWhatRuns(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  function clusteros(...args: readonly string[]): Promise<Ended> {
    return runCommand(cli(...args), { cwd: folder, env: cacheEnvironment() });
  }

  function image(...args: readonly string[]): Promise<Ended> {
    return clusteros('image', '--base', 'debian-13', '--target', 'docker', '--output', output, ...args);
  }

  test('tells programs its stages, their bytes and seconds, and the artifact with size and digest', async () => {
    const events = eventsIn(built.stdout);
    const of = (kind: string) => events.filter(({ event }) => event === kind);
    assert.deepEqual(events.at(0), {
      event: 'plan',
      name: 'clusteros',
      base: 'debian-13',
      engine: 'direct',
      targets: ['docker'],
    });
    const stages = ['packages', 'node agent', 'image docker'];
    assert.deepEqual(new Set(of('started').map(({ stage }) => stage)), new Set(stages));
    assert.deepEqual(new Set(of('finished').map(({ stage }) => stage)), new Set(stages));
    assert.ok(of('finished').every(({ seconds }) => typeof seconds === 'number'));
    const bytes = of('progress').filter(({ stage }) => stage === 'image docker');
    assert.ok(
      bytes.length > 0 && bytes.every(({ bytes: done, totalBytes }) => Number(done) <= Number(totalBytes)),
    );
    const [artifact] = of('artifact');
    const { image: file, sha256 } = lastEvent(built.stdout);
    assert.deepEqual([artifact?.file, artifact?.sha256], [file, sha256]);
    assert.equal(artifact?.bytes, readFileSync(file).length);
    assert.equal(events.at(-1)?.event, 'result');
    assert.equal(built.stderr, '');
  });

  test('tells people in plain lines, as they are no terminal', async () => {
    const { stdout, stderr } = await image();
    assert.match(stderr, /^building docker from debian-13 /m);
    assert.match(stderr, /^packages \.\.\.$[\s\S]*^packages: done in \d+\.\d s, from the cache$/m);
    assert.match(stdout, /it was there already, made from the same inputs/);
    assert.ok(![...(stdout + stderr)].includes('\x1b'), 'a control sequence');
    // A signature stays while it fits.
    assert.ok(readdirSync(at()).includes('SHA256SUMS.minisig'));
  });

  test('is verified by the key, by minisign and by sha256sum, its bill of materials too', async () => {
    assert.deepEqual(readdirSync(at()).sort(), [
      'SHA256SUMS',
      'SHA256SUMS.minisig',
      `${ARTIFACT}.tar`,
      `${ARTIFACT}.tar.spdx.json`,
      'manifest.json',
    ]);
    const { exit, stdout } = await clusteros('verify', at(), '--key', 'release.pub');
    assert.equal(exit, 0, stdout);
    assert.match(stdout, /^Sound, and signed by the key given\.$/m);
    await run(['minisign', '-V', '-p', path.join(folder, 'release.pub'), '-m', at('SHA256SUMS')]);
    await run(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: at() });
    const sums = readFileSync(at('SHA256SUMS'), 'utf8');
    for (const name of [`${ARTIFACT}.tar`, `${ARTIFACT}.tar.spdx.json`, 'manifest.json'])
      assert.ok(sums.includes(`  ${name}\n`), name);
  });

  test('and is up to date is signed by another key without being built again', async () => {
    const again = lastEvent((await image('--json', '--sign-key', 'other.key')).stdout);
    assert.equal(again.upToDate, true);
    assert.equal((await clusteros('verify', at(), '--key', 'other.pub')).exit, 0);
    const wrong = await clusteros('verify', at(), '--key', 'release.pub');
    assert.equal(wrong.exit, 8);
    assert.match(wrong.stdout, /FAILED {3}signature .*it was made by the key/);
  });

  test('and is then damaged is found, with an exit code of its own, and built again by the next build', async () => {
    const sbom = at(`${ARTIFACT}.tar.spdx.json`);
    const before = readFileSync(sbom);
    for (const name of [`${ARTIFACT}.tar`, `${ARTIFACT}.tar.spdx.json`, 'manifest.json', 'SHA256SUMS']) {
      const kept = path.join(folder, 'kept');
      copyFileSync(at(name), kept);
      writeFileSync(at(name), 'x', { flag: 'r+' });
      const { exit, stdout } = await clusteros('verify', at());
      assert.equal(exit, 8, stdout);
      assert.match(stdout, /is NOT what it should be/);
      if (name.endsWith('.json')) {
        // Without a manifest nothing says that the files are ours: they are replaced by order only.
        const isUnknown = name === 'manifest.json';
        if (isUnknown) assert.equal(lastEvent((await image('--json')).stdout).error.code, 'output.exists');
        const again = lastEvent((await image('--json', ...(isUnknown ? ['--force'] : []))).stdout);
        assert.equal(again.upToDate, false, name);
        assert.equal(again.sha256, lastEvent(built.stdout).sha256);
      }
      copyFileSync(kept, at(name));
    }
    assert.deepEqual(readFileSync(sbom), before);
    rmSync(at(`${ARTIFACT}.tar`));
    const gone = await clusteros('verify', at());
    assert.equal(gone.exit, 3);
    assert.match(gone.stdout, /MISSING {2}digest .*the file is not there/);
  });

  test('an engine that there is not is refused with the ones there are', async () => {
    const ended = await image('--engine=paker');
    await assertRefused(ended, 2, /does not know "paker"; did you mean packer\?/, /fix: .*direct, packer/);
  });

  test('a signing key that is missing, damaged or not private is refused before any work is done', async () => {
    const key = path.join(folder, 'bad.key');
    const sign = () => image('--sign-key', key);
    await assertRefused(await sign(), 2, /there is no signing key .*bad\.key/, /fix: .*sign-key create/);
    writeFileSync(key, 'no key\n', { mode: 0o600 });
    await assertRefused(await sign(), 2, /cannot sign: it is no minisign secret key/);
    chmodSync(key, 0o644);
    await assertRefused(await sign(), 2, /may be read by others \(mode 644\)/, /fix: chmod 600 /);
    rmSync(key);
  });

  test('with --json every line is an event, and the last one is the error with its code, exit and fix', async () => {
    const mirror = await deadMirror();
    const ended = await image('--json', '--mirror', mirror);
    await assertRefused(ended, 4);
    const events = eventsIn(ended.stdout);
    assert.deepEqual([events.at(0)?.event, events.at(-1)?.event], ['plan', 'error']);
    assert.ok(events.some(({ event, stage }) => event === 'failed' && stage === 'packages'));
    const { error } = lastEvent(ended.stdout);
    assert.deepEqual([error.code, error.exit], ['mirror.unreachable', 4]);
    assert.match(error.fix, /--mirror URL/);
    // Before there is a build, too.
    const wrong = await image('--json', '--nonsense');
    assert.deepEqual(
      eventsIn(wrong.stdout).map(({ event }) => event),
      ['error'],
    );
  });

  /** It failed with this code and these words, before anything was there. */
  async function assertRefused(ended: Ended, exit: number, ...words: readonly RegExp[]): Promise<void> {
    assert.equal(ended.exit, exit, ended.stderr);
    for (const word of words) assert.match(ended.stderr, word);
    assert.doesNotMatch(ended.stderr, /a fault of ours|packages \.\.\./);
    await assertNothingRuns(folder);
  }
});
