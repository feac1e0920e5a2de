import assert from 'node:assert/strict';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli } from '../cli/testing/run-cli.ts';
import { files, run } from '../host.ts';
import { parseSums } from './checksums.ts';
import { differences, rebuildFindings } from './rebuild.ts';
import { ARTIFACT, artifactFolder, manifestOf, manifestTextOf, sha256 } from './testing/folder.ts';

/** A folder that is sealed and signed, with the key that did it. */
async function signed(t: TestContext) {
  const folder = await artifactFolder((clean) => t.after(clean));
  const keys = await artifactFolder((clean) => t.after(clean));
  const key = path.join(keys, 'release.key');
  assert.equal((await runCli('sign-key', 'create', key)).code, 0);
  assert.equal((await runCli('sign', folder, '--sign-key', key)).code, 0);
  return { folder, key, pub: path.join(keys, 'release.pub'), at: (name: string) => path.join(folder, name) };
}

test('a folder as a build leaves it is sound, but nobody has vouched for it', async (t) => {
  const folder = await artifactFolder((clean) => t.after(clean));
  const { code, stdout } = await runCli('verify', folder);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^ok {7}digest .*qcow2/m);
  assert.match(stdout, /Nobody has vouched for it/);
});

test('what is signed is verified by the key, by its line alone, by minisign and by sha256sum', async (t) => {
  const { folder, pub, at } = await signed(t);
  assert.equal((await runCli('verify', folder, '--key', pub)).code, 0);
  const [, line = ''] = (await files.readText(pub)).split('\n');
  const { code, stdout } = await runCli('--json', 'verify', at(ARTIFACT), '--key', line);
  const answer = JSON.parse(stdout) as { ok: boolean; findings: { state: string; check: string }[] };
  assert.deepEqual([code, answer.ok], [0, true]);
  assert.deepEqual(
    new Set(answer.findings.map(({ state, check }) => `${check} ${state}`)),
    new Set(['signature ok', 'digest ok', 'manifest ok', 'sbom ok']),
  );
  await run(['minisign', '-V', '-p', pub, '-m', at('SHA256SUMS')]);
  await run(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: folder });
});

test('what lies beside the artifacts and is not listed is told, and is no fault', async (t) => {
  const { folder, pub, at } = await signed(t);
  await files.writeAtomic(at('notes.txt'), 'mine\n');
  const { code, stdout } = await runCli('verify', folder, '--key', pub);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^- {8}digest .*notes\.txt: not checked: SHA256SUMS does not list it$/m);
});

test('the signed time is shown, and an older folder in the place of the new one is refused when asked', async (t) => {
  const { folder, pub } = await signed(t);
  const { stdout } = await runCli('verify', folder, '--key', pub);
  assert.match(stdout, /signed by [0-9A-F]{16}, of 2026-01-01T00:00:00Z/);
  for (const time of ['2026-01-01', '1767225600', '2026-02-01T00:00:00Z']) {
    const late = await runCli('verify', folder, '--key', pub, '--newer-than', time);
    assert.equal(late.code, 8, time);
    assert.match(late.stdout, /FAILED .*not newer than/);
  }
  assert.equal((await runCli('verify', folder, '--key', pub, '--newer-than', '2025-12-31')).code, 0);
  assert.equal((await runCli('verify', folder, '--newer-than', '2025-12-31')).code, 2);
  assert.equal((await runCli('verify', folder, '--key', pub, '--newer-than', 'tomorrow')).code, 2);
});

test('signing twice gives the same files', async (t) => {
  const { folder, key, at } = await signed(t);
  const before = await files.readText(at('SHA256SUMS.minisig'));
  assert.equal((await runCli('sign', folder, '--sign-key', key)).code, 0);
  assert.equal(await files.readText(at('SHA256SUMS.minisig')), before);
});

test('a changed byte, a cut, a missing part: each is named, with an exit code', async (t) => {
  const { folder, pub, at } = await signed(t);
  const whole = await files.readBytes(at(ARTIFACT));
  const flipped = Buffer.from(whole);
  flipped[3] = (flipped[3] ?? 0) ^ 1;
  const cases: [string, string | Buffer | undefined, number, RegExp][] = [
    [ARTIFACT, flipped, 8, /FAILED {3}digest .*damaged or replaced/],
    [ARTIFACT, whole.subarray(0, 5), 8, /it has 5 bytes, the manifest says 34/],
    [ARTIFACT, undefined, 3, /MISSING {2}digest .*the file is not there/],
    ['manifest.json', '{', 8, /FAILED {3}manifest .*no JSON/],
    ['manifest.json', manifestTextOf(manifestOf({ epoch: 1 })), 8, /FAILED {3}digest {5}manifest\.json/],
    [`${ARTIFACT}.spdx.json`, '{}', 8, /FAILED {3}sbom .*no SPDX/],
    ['SHA256SUMS', 'x', 8, /FAILED .*line 1 is no digest/],
    ['SHA256SUMS', undefined, 8, /the list of digests is not there/],
    ['SHA256SUMS.minisig', undefined, 8, /the folder is not signed/],
    ['SHA256SUMS.minisig', 'x\ny\n', 8, /the signature file is damaged/],
  ];
  for (const [name, content, exit, words] of cases) {
    const before = await files.readBytes(at(name));
    if (content === undefined) await files.remove(at(name));
    else await files.writeAtomic(at(name), content);
    const { code, stdout } = await runCli('verify', folder, '--key', pub);
    assert.match(stdout, words, name);
    assert.equal(code, exit, stdout);
    assert.match(stdout, /is NOT what it should be/);
    await files.writeAtomic(at(name), before);
  }
  assert.equal((await runCli('verify', folder, '--key', pub)).code, 0);
});

test('a forger who replaces everything, digests too, is found by the key', async (t) => {
  const { folder, pub, at } = await signed(t);
  const evil = Buffer.from('evil');
  const manifest = manifestOf({ artifacts: [{ file: ARTIFACT, bytes: 4, sha256: sha256(evil) }] });
  await files.writeAtomic(at(ARTIFACT), evil);
  await files.writeAtomic(at('manifest.json'), manifestTextOf(manifest));
  await files.remove(at(`${ARTIFACT}.spdx.json`));
  const sums = `${sha256(evil)}  ${ARTIFACT}\n`;
  await files.writeAtomic(at('SHA256SUMS'), sums);
  assert.equal((await runCli('verify', folder)).code, 0);
  const { code, stdout } = await runCli('verify', folder, '--key', pub);
  assert.equal(code, 8);
  assert.match(stdout, /FAILED {3}signature .*does not fit/);
  assert.match(stdout, /manifest\.json: SHA256SUMS does not list it, so the signature says nothing of it/);
});

test('another key, no key file, a secret key and a file that is not listed are refused', async (t) => {
  const { folder, key, pub, at } = await signed(t);
  const other = await signed(t);
  const wrong = await runCli('verify', folder, '--key', other.pub);
  assert.equal(wrong.code, 8);
  assert.match(wrong.stdout, /it was made by the key [0-9A-F]{16}, not by/);
  assert.match(
    (await runCli('verify', folder, '--key', '/nowhere')).stderr,
    /there is no public key \/nowhere/,
  );
  assert.equal((await runCli('verify', folder, '--key', key)).code, 2);
  assert.equal((await runCli('verify', path.join(folder, 'nothing'))).code, 3);
  await files.writeAtomic(at('stray.iso'), 'x');
  const stray = await runCli('verify', at('stray.iso'), '--key', pub);
  assert.match(stray.stdout, /stray\.iso: SHA256SUMS does not list it/);
});

test('a signing key is for its owner only, and is never replaced', async (t) => {
  const { folder, key } = await signed(t);
  assert.equal(((await files.statOrUndefined(key))?.mode ?? 0) & 0o777, 0o600);
  const again = await runCli('sign-key', 'create', key);
  assert.deepEqual([again.code, /never replaced/.test(again.stderr)], [2, true]);
  await files.setMode(key, 0o640);
  const loose = await runCli('sign', folder, '--sign-key', key);
  assert.equal(loose.code, 2);
  assert.match(loose.stderr, /may be read by others \(mode 640\)[\s\S]*chmod 600/);
});

test('what is damaged is not signed', async (t) => {
  const { folder, key, at } = await signed(t);
  await files.writeAtomic(at(ARTIFACT), 'damaged');
  const { code, stderr } = await runCli('sign', folder, '--sign-key', key);
  assert.equal(code, 8);
  assert.match(stderr, /is not signed[\s\S]*damaged or replaced/);
});

test('a list of digests with a way out of the folder is no list', () => {
  const digest = 'a'.repeat(64);
  for (const name of ['../x', '/x', '..', 'a/b', ' ', 'a b'])
    assert.equal(typeof parseSums(`${digest}  ${name}\n`), 'string', name);
  assert.equal(typeof parseSums(`${digest}  a\n${digest}  a\n`), 'string');
  assert.deepEqual(parseSums(`${digest} *a\n`), [{ file: 'a', sha256: digest }]);
});

test('a rebuild with other bytes says which inputs differ', () => {
  const there = manifestOf();
  assert.deepEqual(differences(there, manifestOf()), []);
  assert.equal(rebuildFindings(there, manifestOf())[0]?.state, 'ok');
  const [artifact] = there.artifacts;
  const again = manifestOf({
    base: { name: 'debian-13', suites: [{ suite: 'trixie', sha256: 'other' }] },
    packages: there.packages.map((each) => (each.name === 'dbus' ? { ...each, version: '2' } : each)),
    files: [],
    artifacts: [{ ...(artifact ?? { file: '', bytes: 0 }), sha256: sha256('other') }],
  });
  const [finding] = rebuildFindings(there, again);
  assert.equal(finding?.state, 'failed');
  assert.match(
    finding?.detail ?? '',
    /the archive's trixie has changed since; the file \/etc\/own; the package dbus$/,
  );
});
