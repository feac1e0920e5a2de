// needs: images, cpu 0.8, memory 4 GiB
import assert from 'node:assert/strict';
import { chmodSync, createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cacheFolderOf } from '../../build/cache.ts';
import { TARGETS } from '../../build/definition/plan.ts';
import { run, tryRun } from '../../build/host.ts';
import { buildWithCli, cli, ordinaryUser, ownCache, ROOT, type TestImage, testImage } from '../images.ts';

describe('the image file', () => {
  let folder: string;
  let built: TestImage;
  let raw: string;
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'cos-image-'));
    built = await testImage('debian-13');
    raw = path.join(folder, 'disk.raw');
    await run(['qemu-img', 'convert', '-O', 'raw', built.image, raw]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('passes the checks of qemu-img, sfdisk, fsck.vfat and e2fsck without a remark', async () => {
    const check = await run(['qemu-img', 'check', built.image]);
    assert.match(check.stdout, /No errors were found/);
    assert.match((await run(['qemu-img', 'info', built.image])).stdout, /compression type: zstd/);
    assert.equal((await tryRun(['sfdisk', '--verify', raw])).exitCode, 0);
    const fat = await cut('esp.raw', 2, 64);
    const vfat = await tryRun(['fsck.vfat', '-n', fat]);
    assert.equal(vfat.exitCode, 0, vfat.stdout + vfat.stderr);
    const ext4 = await rootPartition();
    const fsck = await tryRun(['e2fsck', '-f', '-n', ext4]);
    assert.equal(fsck.exitCode, 0, fsck.stdout + fsck.stderr);
    assert.doesNotMatch(fsck.stdout, /Fix\?|WARNING/);
  });

  test('is what SHA256SUMS and manifest.json beside it say', async () => {
    await run(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: built.folder });
    const manifest = JSON.parse(readFileSync(path.join(built.folder, 'manifest.json'), 'utf8'));
    assert.equal(manifest.artifacts[0].sha256, built.sha256);
    assert.ok(manifest.packages.some((one: { name: string }) => one.name === 'etcd-server'));
  });

  test('holds no identity, no key, and nothing that tells of the build', async () => {
    const ext4 = await rootPartition();
    for (const file of [
      '/etc/ssh/ssh_host_ed25519_key',
      '/etc/ssh/ssh_host_rsa_key',
      '/etc/ssh/ssh_host_ecdsa_key',
      '/etc/hostname',
      '/var/lib/clusteros',
      '/var/lib/dbus/machine-id',
      '/var/lib/systemd/random-seed',
      '/etc/apt/apt.conf.d/99mmdebstrap',
      '/usr/lib/clusteros-build',
      '/usr/sbin/policy-rc.d',
    ]) {
      const found = await run(['debugfs', '-R', `stat ${file}`, ext4]);
      assert.match(found.stderr, /File not found/, `${file} is in the image`);
    }
    assert.equal((await run(['debugfs', '-R', 'cat /etc/machine-id', ext4])).stdout, '');
    const shadow = (await run(['debugfs', '-R', 'cat /etc/shadow', ext4])).stdout;
    for (const line of shadow.trim().split('\n'))
      assert.match(line, /^[^:]+:[!*]+:/, 'an account has a password');
    const secrets = ['build.proxy.example', ROOT, folder, cacheFolderOf(), 'mmdebstrap.', ...hostNames()];
    assert.deepEqual(await occurrences(raw, secrets), []);
  });

  test('and those of the other targets are the same, byte for byte, from another folder, cache, time, home, user, umask and locale, and with a key at hand', async (t) => {
    const all = ['--base', 'debian-13', '--target', TARGETS.join(',')];
    const first = await buildWithCli({ output: path.dirname(built.folder), args: all });
    const other = path.join(folder, 'elsewhere', 'deep');
    mkdirSync(other, { recursive: true });
    await run(cli('init', path.join(other, 'definition')), { cwd: other });
    const key = readFileSync(path.join(other, 'definition', 'cluster.key'), 'utf8').trim();
    const cache = ownCache(other);
    const umask = process.umask(0o077);
    t.after(() => process.umask(umask));
    // Whoever is root builds as somebody else, who must get here.
    if (process.getuid?.() === 0) chmodSync(folder, 0o711);
    const again = await buildWithCli({
      output: path.join(other, 'out'),
      cwd: other,
      ...(process.getuid?.() === 0 ? { as: ordinaryUser(other) } : {}),
      env: {
        CLUSTEROS_CACHE: cache,
        TMPDIR: other,
        HOME: other,
        TZ: 'Asia/Kathmandu',
        LC_ALL: 'tr_TR.UTF-8',
        CLUSTER_AUTH_KEY: key,
      },
      args: all,
    });
    assert.deepEqual(
      again.artifacts.map(({ target }) => target),
      TARGETS,
    );
    for (const [index, { folder: made }] of again.artifacts.entries()) {
      // What lies beside it too: block map, bill of materials, digests, manifest.
      await run(['diff', '--recursive', '--brief', first.artifacts[index]?.folder ?? '', made]);
    }
    assert.deepEqual(await occurrences(raw, [key]), []);
    rmSync(other, { recursive: true, force: true });
  });

  async function cut(name: string, fromMiB: number, lengthMiB: number): Promise<string> {
    const part = path.join(folder, name);
    await run([
      'dd',
      `if=${raw}`,
      `of=${part}`,
      'bs=1M',
      `skip=${fromMiB}`,
      `count=${lengthMiB}`,
      'conv=sparse',
      'status=none',
    ]);
    return part;
  }

  function rootPartition(): Promise<string> {
    return cut('root.raw', 66, 8192 - 67);
  }
});

/** A name that is no word of its own: `localhost` and the like are everywhere. */
function hostNames(): string[] {
  return hostname().length >= 6 && hostname() !== 'localhost' ? [hostname()] : [];
}

/** Which of the texts are somewhere in a file, however large it is. */
async function occurrences(file: string, texts: readonly string[]): Promise<string[]> {
  const longest = Math.max(...texts.map((text) => Buffer.byteLength(text)));
  const found = new Set<string>();
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { highWaterMark: 8 * 2 ** 20 })) {
    const window = Buffer.concat([rest, chunk as Buffer]);
    for (const text of texts) if (window.includes(text)) found.add(text);
    rest = window.subarray(Math.max(0, window.length - longest));
  }
  return [...found];
}
