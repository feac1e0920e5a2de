import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { files, run, which } from '../build/host.ts';
import type { SeedFile } from './seed.ts';
import { SEED_FORMATS, type SeedFormat, writeVolume } from './volume.ts';

const folder = await files.makeWorkFolder(tmpdir(), 'cosseed');
after(() => files.remove(folder));

const seed: SeedFile[] = [
  { path: 'README.txt', text: 'read me\r\n' },
  { path: 'clusteros/cluster.key', text: 'secret\n' },
  { path: 'clusteros/node.yaml', text: 'cluster: {}\n' },
  { path: 'meta-data', text: 'instance-id: x\n' },
  { path: 'network-config', text: '' },
  { path: 'user-data', text: '#cloud-config\n' },
];

const programs = { iso: ['xorriso'], fat: ['mkfs.vfat', 'mcopy'] } satisfies Record<SeedFormat, string[]>;
const missing = async (format: SeedFormat) =>
  (await Promise.all(programs[format].map(which))).includes(undefined) && `${programs[format]} not installed`;
const digestOf = async (file: string) =>
  createHash('sha256')
    .update(await files.readBytes(file))
    .digest('hex');

for (const format of SEED_FORMATS) {
  const skip = await missing(format);

  test(`a ${format} volume holds every file as it is, under the label CIDATA`, { skip }, async () => {
    const file = path.join(folder, `seed.${format}`);
    await writeVolume(seed, format, file);
    assert.equal((await run(['blkid', '-p', '-o', 'value', '-s', 'LABEL', file])).stdout.trim(), 'CIDATA');
    for (const { path: name, text } of seed) {
      assert.equal(await readBack(format, file, name), text, name);
    }
  });

  test(`the same ${format} volume made twice, elsewhere and later, has the same bytes`, {
    skip,
  }, async () => {
    const one = path.join(folder, 'a', `one.${format}`);
    const two = path.join(folder, 'another/folder', `two.${format}`);
    await writeVolume(seed, format, one);
    // FAT has times in steps of two seconds, ISO 9660 in hundredths.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    await writeVolume(seed, format, two);
    assert.equal(await digestOf(one), await digestOf(two));
  });

  test(`a ${format} volume is for its owner only, and nothing else is left beside it`, { skip }, async () => {
    const file = path.join(folder, `only-${format}`, 'seed');
    await files.writeAtomic(file, 'older', 0o644);
    await writeVolume(seed, format, file);
    assert.equal(((await files.statOrUndefined(file))?.mode ?? 0) & 0o777, 0o600);
    assert.deepEqual(await files.listFolder(path.dirname(file)), ['seed']);
  });
}

test('a volume that cannot be finished leaves the old one, and nothing half-made', async () => {
  const file = path.join(folder, 'kept', 'seed.fat');
  await files.writeAtomic(file, 'older');
  const tooLarge: SeedFile[] = [{ path: 'clusteros/large', text: 'x'.repeat(8 * 1024 * 1024) }];
  await assert.rejects(writeVolume(tooLarge, 'fat', file), {
    code: /command\.failed|program\.missing/,
  } as never);
  assert.equal(await files.readText(file), 'older');
  assert.deepEqual(await files.listFolder(path.dirname(file)), ['seed.fat']);
});

async function readBack(format: SeedFormat, image: string, name: string): Promise<string> {
  if (format === 'fat') return (await run(['mtype', '-i', image, `::/${name}`])).stdout;
  const copy = path.join(folder, 'copy');
  await files.remove(copy);
  await run(['xorriso', '-osirrox', 'on', '-indev', image, '-extract', `/${name}`, copy]);
  return files.readText(copy);
}
