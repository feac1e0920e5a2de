import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { runProgram } from '../cli/program.ts';
import { runCli } from '../cli/testing/run-cli.ts';
import { blockDevice } from '../host.ts';
import { type FlashOptions, flash } from './flash.ts';
import { assertSeedExists } from './seed-onto.ts';
import { openSource } from './source.ts';
import { freshFolder, needsLoops, plugIn, rangesOf, type Stick, usbImage } from './testing/sticks.ts';

const MIB = 1024 * 1024;

async function flashTo(t: TestContext, stick: Stick, image: string, options: FlashOptions): Promise<number> {
  const source = await openSource(image, undefined);
  const device = await blockDevice.openBlockDevice(stick.path, { ...stick, writable: true });
  t.after(() => source.close());
  return await flash(device, source, options).finally(() => device.close());
}

for (const kind of ['raw', 'zst'] as const) {
  test(`an image (${kind}) is on the stick afterwards, by its block map`, needsLoops(), async (t) => {
    const folder = freshFolder(t);
    const image = usbImage(folder, 12 * MIB);
    const stick = plugIn(t, folder, 16 * MIB);
    const argv = ['flash', '--allow-loop', stick.path, image[kind]];
    const { code, stdout, stderr } = await runCli(...argv, '--json');
    assert.equal(code, 0, stdout + stderr);
    const answer = JSON.parse(stdout);
    assert.equal(answer.verified, true);
    assert.equal(answer.bmap, image.bmap);
    const mapped = rangesOf(image.bytes);
    assert.equal(
      answer.bytesWritten,
      mapped.reduce((sum, { length }) => sum + length, 0),
    );
    assert.ok(answer.bytesWritten < image.bytes.length / 2);
    const written = readFileSync(stick.file);
    for (const { offset, length } of mapped) {
      assert.ok(
        written.subarray(offset, offset + length).equals(image.bytes.subarray(offset, offset + length)),
      );
    }
    // What an earlier use left at the end would be found there.
    assert.ok(written.subarray(15 * MIB).every((byte) => byte === 0));
    assert.match((await runCli(...argv)).stdout, /written and read back .*\nIt can be pulled out/);
  });
}

test('without a block map every byte is written', needsLoops(), async (t) => {
  const folder = freshFolder(t);
  const image = usbImage(folder, 12 * MIB);
  const stick = plugIn(t, folder, 12 * MIB);
  const { code, stderr } = await runCli('flash', '--allow-loop', '--no-bmap', stick.path, image.zst);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /every byte is written/);
  assert.ok(readFileSync(stick.file).equals(image.bytes));
});

test(
  'a seed goes onto the stick in the same step, from a folder and from a volume',
  needsLoops('mcopy', 'mkfs.vfat'),
  async (t) => {
    const folder = freshFolder(t);
    const image = usbImage(folder, 12 * MIB, { cidata: true });
    const tree = path.join(folder, 'tree');
    mkdirSync(path.join(tree, 'clusteros'), { recursive: true });
    writeFileSync(path.join(tree, 'meta-data'), 'instance-id: x\n');
    writeFileSync(path.join(tree, 'clusteros', 'cluster.key'), 'a key\n');
    const volume = path.join(folder, 'seed.img');
    execFileSync('mkfs.vfat', ['-C', '-n', 'CIDATA', volume, '1024']);
    execFileSync('mcopy', [
      '-s',
      '-i',
      volume,
      path.join(tree, 'meta-data'),
      path.join(tree, 'clusteros'),
      '::/',
    ]);
    for (const seed of [tree, volume]) {
      const stick = plugIn(t, folder, 16 * MIB);
      const { code, stdout } = await runCli(
        'flash',
        '--json',
        '--allow-loop',
        stick.path,
        image.zst,
        '--seed',
        seed,
      );
      assert.equal(code, 0, stdout);
      assert.deepEqual(JSON.parse(stdout).seed, ['clusteros/cluster.key', 'meta-data']);
      const found = execFileSync('mtype', ['-i', `${stick.file}@@5M`, '::/clusteros/cluster.key']);
      assert.equal(found.toString(), 'a key\n');
    }
  },
);

test(
  'a seed for an image that has no place for one is refused before anything is written',
  needsLoops(),
  async (t) => {
    const folder = freshFolder(t);
    const image = usbImage(folder, 12 * MIB);
    const stick = plugIn(t, folder, 12 * MIB);
    const seed = path.join(folder, 'seed');
    mkdirSync(path.join(seed, 'clusteros'), { recursive: true });
    const { code, stderr } = await runCli('flash', '--allow-loop', stick.path, image.raw, '--seed', seed);
    assert.equal(code, 2);
    assert.match(stderr, /no CIDATA partition/);
    assert.ok(readFileSync(stick.file).equals(Buffer.alloc(stick.size, 0x5a)), 'the stick is as it was');
    // The folder of the definition, say: its files would be on the stick, and no node would read one.
    await assert.rejects(assertSeedExists(folder), {
      code: 'flash.seed',
      message: /neither a folder clusteros/,
    });
    assert.match(
      (await runCli('flash', '--allow-loop', stick.path, image.raw, '--seed', '/none')).stderr,
      /no seed/,
    );
  },
);

test('a stick pulled out in the middle is told as that', needsLoops(), async (t) => {
  for (const phase of ['writing', 'reading back'] as const) {
    const folder = freshFolder(t);
    const image = usbImage(folder, 12 * MIB);
    const stick = plugIn(t, folder, 12 * MIB);
    const onPhase = (begun: string) => {
      if (begun === phase) stick.pull();
    };
    await assert.rejects(
      flashTo(t, stick, image.zst, { onPhase }),
      /the device has gone|was pulled out|nothing can be read/,
    );
  }
});

test(
  'the command says of a stick that was pulled out what to do, and has an exit code for it',
  needsLoops(),
  async (t) => {
    const folder = freshFolder(t);
    const image = usbImage(folder, 12 * MIB);
    const stick = plugIn(t, folder, 12 * MIB);
    let said = '';
    const code = await runProgram(['flash', '--allow-loop', stick.path, image.zst], {
      stdout: () => {},
      stderr: (text) => {
        said += text;
        if (/writing/.test(text)) stick.pull();
      },
    });
    assert.equal(code, 5, said);
    assert.match(said, /the device has gone[\s\S]*plug it in again/);
  },
);

test(
  'a device with a file system is flashed by its name behind a link, and only with --wipe',
  needsLoops('mkfs.vfat'),
  async (t) => {
    const folder = freshFolder(t);
    const image = usbImage(folder, 12 * MIB);
    const stick = plugIn(t, folder, 12 * MIB);
    execFileSync('mkfs.vfat', ['-n', 'PHOTOS', stick.path]);
    const link = path.join(folder, 'usb-Cruzer-0:0');
    symlinkSync(stick.path, link);
    const before = readFileSync(stick.file);
    for (const flags of [[], ['--yes'], ['--wipe', 'another']]) {
      const refused = await runCli('flash', '--allow-loop', link, image.zst, ...flags);
      assert.equal(refused.code, 2, refused.stderr);
      assert.match(refused.stderr, /holds a file system or volume \(vfat\).*[\s\S]*--wipe /);
      assert.ok(readFileSync(stick.file).equals(before));
    }
    const name = path.basename(stick.path);
    const { code, stderr } = await runCli('flash', '--allow-loop', name, image.zst, '--wipe', stick.path);
    assert.equal(code, 0, stderr);
  },
);

test('an image that the key did not sign is not flashed', needsLoops(), async (t) => {
  const folder = freshFolder(t);
  const image = usbImage(folder, 12 * MIB);
  const stick = plugIn(t, folder, 12 * MIB);
  const key = path.join(folder, 'release.key');
  assert.equal((await runCli('sign-key', 'create', key)).code, 0);
  const before = readFileSync(stick.file);
  const pub = path.join(folder, 'release.pub');
  const { code, stderr } = await runCli('flash', '--allow-loop', stick.path, image.zst, '--key', pub);
  assert.equal(code, 8, stderr);
  assert.match(stderr, /not what the key signed/);
  assert.ok(readFileSync(stick.file).equals(before));
});

test('a stop leaves a stick that starts nothing', needsLoops(), async (t) => {
  const folder = freshFolder(t);
  const image = usbImage(folder, 12 * MIB);
  const stick = plugIn(t, folder, 12 * MIB);
  const controller = new AbortController();
  const onPhase = () => controller.abort(new Error('stop it'));
  await assert.rejects(flashTo(t, stick, image.raw, { signal: controller.signal, onPhase }), /stop it/);
  assert.ok(
    readFileSync(stick.file)
      .subarray(0, 4096)
      .every((byte) => byte === 0),
  );
});

test('a stick that is too small, in use, or counts other sectors is refused', needsLoops(), async (t) => {
  const folder = freshFolder(t);
  const image = usbImage(folder, 12 * MIB);
  const small = plugIn(t, folder, 8 * MIB);
  const refused = await runCli('flash', '--allow-loop', small.path, image.zst);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /too small: it has 8.4 MB, and the image needs 12.6 MB/);
  assert.ok(readFileSync(small.file).every((byte) => byte === 0x5a));
  const busy = plugIn(t, folder, 12 * MIB);
  const held = await blockDevice.openBlockDevice(busy.path, { ...busy, writable: true });
  t.after(() => held.close());
  assert.match(
    (await runCli('flash', '--allow-loop', busy.path, image.zst)).stderr,
    /something else uses it/,
  );
  const large = plugIn(t, folder, 12 * MIB, 4096);
  assert.match(
    (await runCli('flash', '--allow-loop', large.path, image.zst)).stderr,
    /sectors of 4096 bytes/,
  );
});

test('a damaged image is told, whether compressed or not', needsLoops(), async (t) => {
  const folder = freshFolder(t);
  const image = usbImage(folder, 12 * MIB);
  const stick = plugIn(t, folder, 12 * MIB);
  const damaged = Buffer.from(image.bytes);
  damaged[2 * MIB] = (damaged[2 * MIB] ?? 0) ^ 1;
  writeFileSync(image.raw, damaged);
  const raw = await runCli('flash', '--allow-loop', stick.path, image.raw);
  assert.equal(raw.code, 5);
  assert.match(raw.stderr, /the image is damaged: \d+ bytes at/);
  truncateSync(image.zst, 2_000_000);
  assert.match((await runCli('flash', '--allow-loop', stick.path, image.zst)).stderr, /ends early|damaged/);
  assert.ok(
    readFileSync(stick.file)
      .subarray(0, 4096)
      .every((byte) => byte === 0),
  );
});

test(
  'a bit that turned in a compressed image, and the block map of another image, are found',
  needsLoops(),
  async (t) => {
    const folder = freshFolder(t);
    const image = usbImage(folder, 12 * MIB);
    const other = usbImage(freshFolder(t), 12 * MIB);
    const larger = usbImage(freshFolder(t), 24 * MIB);
    const stick = plugIn(t, folder, 32 * MIB);
    const flashBy = (bmap: string) => runCli('flash', '--allow-loop', stick.path, image.zst, '--bmap', bmap);
    for (const bmap of [other.bmap, larger.bmap]) {
      const { code, stderr } = await flashBy(bmap);
      assert.equal(code, 5);
      assert.match(stderr, /the image is damaged: \d+ bytes at \d+ are not what its block map says/);
      assert.match(stderr, /npx clusteros-build verify/);
    }
    const packed = readFileSync(image.zst);
    packed[2_000_000] = (packed[2_000_000] ?? 0) ^ 4;
    writeFileSync(image.zst, packed);
    const { code, stderr } = await flashBy(image.bmap);
    assert.equal(code, 5);
    assert.match(stderr, /damaged/);
    const head = readFileSync(stick.file).subarray(0, 4096);
    assert.ok(head.every((byte) => byte === 0));
  },
);

test('what is no image, and a device that is none, are told', async () => {
  assert.match((await runCli('flash', '/dev/none', 'x.img')).stderr, /no disk of this machine/);
  assert.match((await runCli('flash', '/dev/none')).stderr, /which image/);
});
