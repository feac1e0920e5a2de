// needs: images, cpu 0.9, memory 3 GiB
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { clock, run } from '../../build/host.ts';
import { waitUntilBooted } from '../../qemu/booted.ts';
import type { Machine } from '../../qemu/machine.ts';
import { chance } from '../chance.ts';
import { howMany } from '../depth.ts';
import { cli, type TestImage, testImage } from '../images.ts';
import { agentStatus, bootedMachine, fileOf, makeNode, readyStatus } from '../nodes.ts';

const CUTS = howMany(1, 5, 'power cuts at five moments of a first boot', 4);
const [EARLIEST_MS, SPAN_MS] = [8_000, 42_000];
const ID = /\bid\s+([1-9A-HJ-NP-Za-km-z]{43,44})\b/g;

describe('the first boot', () => {
  let image: TestImage;
  let folder: string;
  before(async () => {
    image = await testImage('debian-13');
    folder = mkdtempSync(path.join(tmpdir(), 'cos-first-boot-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  describe('whatever the moments at which the power goes, from a seed with a broken key', () => {
    let machine: Machine;
    before(async () => {
      machine = await makeNode({ name: 'power-cuts', image: image.image, seed: await brokenSeed(folder) });
    });
    after(() => machine?.dispose());

    test('leaves one identity and a whole host key', async (t) => {
      const random = chance(t);
      const moments = Array.from({ length: CUTS }, () => Math.round(EARLIEST_MS + random.next() * SPAN_MS));
      t.diagnostic(`the power goes after ${moments.join(', ')} ms`);
      for (const moment of moments) {
        await machine.start();
        await clock.pause(moment);
        assert.equal(machine.trouble(), undefined);
        await machine.crash();
      }
      await machine.start();
      await waitUntilBooted(machine);
      const { id } = await agentStatus(machine);
      const seen = [...machine.console.since(0).matchAll(ID)].map((match) => match[1]);
      t.diagnostic(`the console showed an id ${seen.length} times`);
      assert.deepEqual([...new Set([...seen, id])], [id]);
      const key = await machine.guest.run(['ssh-keygen', '-y', '-f', '/etc/ssh/ssh_host_ed25519_key']);
      assert.equal(key.exitCode, 0, 'the SSH host key is whole');
    });

    test('refuses the key, says why on the console, and goes on', async () => {
      const status = await agentStatus(machine);
      assert.notEqual(status.state, 'ready');
      assert.match(JSON.stringify(status), /refused/);
      const key = '/run/clusteros/seed/clusteros/cluster.key';
      assert.equal((await machine.guest.must(['stat', '--format', '%a %U', key])).trim(), '400 root');
      await machine.waitForConsole(/refused/, { deadlineMs: 300_000 });
    });
  });

  test('takes the seed, begins a cluster, and lets the administrator of the seed in', async () => {
    const key = path.join(folder, 'cluster.key');
    const seed = path.join(folder, 'seed.iso');
    await run(cli('init', folder), { cwd: folder });
    await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, 'id')], {
      cwd: folder,
    });
    await run(cli('seed', '--key', key, '--ssh-key', path.join(folder, 'id.pub'), '--output', seed), {
      cwd: folder,
    });
    const network = [{ kind: 'user', isolated: true, guestPorts: [22] }] as const;
    const machine = await bootedMachine({ name: 'seeded', image: image.image, seed, network });
    try {
      const status = await readyStatus(machine);
      assert.equal(status.cluster.confirmed, false, 'others may still be met');
      assert.match(JSON.stringify(status), /cluster\.key.*taken|taken.*cluster\.key/);
      const secret = readFileSync(key, 'utf8').trim();
      assert.equal((await fileOf(machine, '/var/lib/clusteros/cluster.key')).trim(), secret);
      await keepsTheSecret(machine, secret);
      await lets(machine, path.join(folder, 'id'));
    } finally {
      await machine.dispose();
    }
  });
});

/** A disc that is not made as `seed` makes one: it has no modes, and its key is none. */
async function brokenSeed(folder: string): Promise<string> {
  const seed = path.join(folder, 'broken.iso');
  const content = path.join(folder, 'broken');
  await run(['mkdir', '-p', path.join(content, 'clusteros')]);
  await run(['tee', path.join(content, 'clusteros', 'cluster.key')], { input: 'not a key\n' });
  const disc = ['xorriso', '-as', 'mkisofs', '-quiet', '--norock', '-joliet', '-volid', 'CIDATA'];
  await run([...disc, '-o', seed, content]);
  return seed;
}

/** The key is root's alone, and in no log. */
async function keepsTheSecret(machine: Machine, secret: string): Promise<void> {
  const mode = await machine.guest.run(['stat', '--format', '%a %U', '/var/lib/clusteros/cluster.key']);
  assert.equal(mode.stdout.trim(), '600 root');
  const journal = await machine.guest.run(['journalctl', '--boot', '--no-pager', '--output', 'cat'], {
    timeoutMs: 180_000,
  });
  assert.ok(journal.stdout.length > 1000);
  assert.ok(!journal.stdout.includes(secret), 'the cluster key is in the journal');
  assert.ok(!machine.console.since(0).includes(secret), 'the cluster key is on the console');
}

/** The administrator of the seed gets in by key, and may become root. */
async function lets(machine: Machine, identity: string): Promise<void> {
  const port = String(machine.forwarded(22));
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'BatchMode=yes',
    'ConnectTimeout=60',
  ];
  const said = await run(
    [
      'ssh',
      '-p',
      port,
      '-i',
      identity,
      ...options.flatMap((option) => ['-o', option]),
      'clusteros@127.0.0.1',
      'sudo',
      'id',
      '-u',
    ],
    { timeoutMs: 180_000 },
  );
  assert.equal(said.stdout.trim(), '0');
}
