import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { verified } from './snapshot.ts';
import { startRig } from './testing/rig.ts';
import { EtcdError } from './types.ts';

test('a snapshot is what etcdctl takes for one, 0600, and nothing is left of one that is cut', async (t) => {
  const rig = await startRig(t, 1);
  const client = rig.client();
  const endpoint = rig.members[0]?.endpoint ?? '';
  for (let at = 0; at < 20; at += 1) await client.put(`k/${at}`, randomBytes(30_000).toString('hex'));
  const file = `${rig.folder}/snapshot.db`;
  const { bytes } = await client.snapshot(endpoint, file, new AbortController().signal);
  assert.equal(statSync(file).size, bytes);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const status = execFileSync('etcdctl', ['snapshot', 'status', '-w', 'json', file], {
    env: { ETCDCTL_API: '3' },
    encoding: 'utf8',
  });
  assert.equal((JSON.parse(status) as { totalKey: number }).totalKey >= 20, true);

  const cut = AbortSignal.timeout(3);
  await assert.rejects(client.snapshot(endpoint, `${rig.folder}/cut.db`, cut), EtcdError);
  assert.deepEqual(
    readdirSync(rig.folder).filter((name) => name.includes('cut')),
    [],
  );
});

test('a snapshot with a flipped bit, without its end or with more is refused', async () => {
  const pages = randomBytes(512 * 5);
  const whole = Buffer.concat([pages, createHash('sha256').update(pages).digest()]);
  const read = async (bytes: Buffer, step: number) => {
    const pieces = async function* () {
      for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
    };
    const found: Buffer[] = [];
    for await (const piece of verified(pieces(), 'e')) found.push(piece);
    return Buffer.concat(found);
  };
  for (const step of [1, 31, 32, 33, 1000, 10_000]) assert.deepEqual(await read(whole, step), whole);
  const flipped = Buffer.from(whole);
  flipped[100] = (flipped[100] ?? 0) ^ 1;
  for (const bad of [flipped, whole.subarray(0, -1), whole.subarray(0, 512), Buffer.alloc(0)]) {
    await assert.rejects(read(bad, 100), EtcdError);
  }
});
