/**
 * A helper of mmdebstrap's run, on the second core: while dpkg unpacks archives from the front of the list, this
 * decompresses them from its end. dpkg reads an archive whose data is not compressed just as well, and much faster.
 * Each is replaced by a rename, so dpkg sees the one or the other, and both are the same package.
 *
 *     node unpack-ahead.ts ROOT DEBS
 *
 * apt's hook (see mmdebstrap.ts) writes ROOT/usr/lib/clusteros-build/order, one path a line, when all archives are
 * there and verified. DEBS, the cache, gets its copies before anything is changed; empty for none.
 */
import * as path from 'node:path';
import { clock, files, run } from '../host.ts';
import { arHeader, arMembers } from './ar.ts';

/** Smaller ones are not worth a process. */
const WORTHWHILE_BYTES = 200_000;
/** Longer than any download. Without an order by then there is nothing to do. */
const LONGEST_WAIT_MS = 30 * 60_000;

const [root = '/', debs = ''] = process.argv.slice(2);
const scratch = path.join(root, 'usr/lib/clusteros-build/ahead');
const archives = (await readOrder(path.join(root, 'usr/lib/clusteros-build/order'))).map((name) =>
  path.join(root, name),
);
if (debs !== '') for (const archive of archives) await keep(archive);
await files.makeFolder(scratch);
for (const archive of archives.toReversed()) {
  if (await isUnpacked(archive)) break;
  await decompress(archive);
}

async function readOrder(file: string): Promise<string[]> {
  const end = clock.monotonicMs() + LONGEST_WAIT_MS;
  while (!(await files.exists(file))) {
    if (clock.monotonicMs() > end) return [];
    await clock.pause(100);
  }
  return (await files.readText(file)).split('\n').filter((line) => line.endsWith('.deb'));
}

async function keep(archive: string): Promise<void> {
  const kept = path.join(debs, path.basename(archive));
  if (!(await files.exists(kept))) await files.copyAtomic(archive, kept, 0o644);
}

/** dpkg writes the list of a package's files when it begins to unpack it. */
async function isUnpacked(archive: string): Promise<boolean> {
  const [name = '', , rest = ''] = path.basename(archive).split('_');
  const info = path.join(root, 'var/lib/dpkg/info');
  const lists = [`${name}.list`, `${name}:${rest.replace('.deb', '')}.list`];
  return (await Promise.all(lists.map((list) => files.exists(path.join(info, list))))).includes(true);
}

async function decompress(archive: string): Promise<void> {
  const bytes = await files.readBytes(archive);
  const data = arMembers(bytes).find((member) => member.name === 'data.tar.xz');
  if (data === undefined || bytes.length < WORTHWHILE_BYTES) return;
  const tar = path.join(scratch, 'data.tar');
  await files.writeScratch(`${tar}.xz`, [bytes.subarray(data.start, data.start + data.size)]);
  await run(['xz', '--decompress', '--force', `${tar}.xz`]);
  const plain = await files.readBytes(tar);
  const padding = Buffer.from(plain.length % 2 === 0 ? '' : '\n');
  const fresh = path.join(scratch, path.basename(archive));
  await files.writeScratch(fresh, [
    bytes.subarray(0, data.start - 60),
    arHeader('data.tar', plain.length),
    plain,
    padding,
  ]);
  await files.moveIntoPlace(fresh, archive);
}
