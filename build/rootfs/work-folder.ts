import * as path from 'node:path';
import { isLeftover, ownOwner } from '../cache/owner.ts';
import { files, run, tryRun } from '../host.ts';

/** What a root file system takes while it is made, with room to spare. */
const TREE_BYTES = 3 * 2 ** 30;
/** What hooks/ needs beside itself. */
const RECIPE = ['hooks', 'initramfs', 'grub'] as const;

interface WorkPlace {
  readonly work: string;
  /** Size of the tmpfs to mount on it, or undefined to use the disk. */
  readonly tmpfsBytes: number | undefined;
  /** The folder that holds hooks/ and what they copy. */
  readonly recipe: string;
}

/**
 * Give `use` a folder for the half-made root, and remove it afterwards. For root: memory when there is plenty,
 * else the disk (dpkg syncs what it writes; on a tmpfs that costs nothing). For an ordinary user: a place that
 * the subordinate user ids of subuid(5) can reach, which a home folder often is not, with the recipe copied there.
 *
 * @param beside a folder on the disk; root's work folder lies next to it
 */
export async function withWorkFolder<T>(beside: string, use: (place: WorkPlace) => Promise<T>): Promise<T> {
  const uid = process.getuid?.() ?? 0;
  const parent = uid === 0 ? path.dirname(beside) : path.join('/var/tmp', `clusteros-${uid}`);
  await files.makeFolder(parent, 0o755);
  if (uid !== 0) await removeOrphans(parent);
  const work = await files.makeWorkFolder(parent, `${await ownOwner()}.root`);
  try {
    return await use(uid === 0 ? await placeOfRoot(work) : await placeOfUser(work));
  } finally {
    await removeTree(work, uid);
    if (uid !== 0) await files.removeIfEmpty(parent);
  }
}

async function placeOfRoot(work: string): Promise<WorkPlace> {
  const available = memoryAvailable(await files.readText('/proc/meminfo'));
  const tmpfsBytes = available >= 2 * TREE_BYTES ? TREE_BYTES : undefined;
  return { work, tmpfsBytes, recipe: import.meta.dirname };
}

async function placeOfUser(work: string): Promise<WorkPlace> {
  // Whatever our umask.
  for (const folder of [path.dirname(work), work]) await files.setMode(folder, 0o755);
  const recipe = path.join(work, 'recipe');
  for (const folder of RECIPE)
    await files.copyTree(path.join(import.meta.dirname, folder), path.join(recipe, folder));
  await run(['chmod', '-R', 'u=rwX,go=rX', recipe]);
  return { work, tmpfsBytes: undefined, recipe };
}

/** What killed builds of this user left, owned by subordinate ids. */
async function removeOrphans(parent: string): Promise<void> {
  for (const name of await files.listFolder(parent)) {
    if (await isLeftover(name)) await removeTree(path.join(parent, name), process.getuid?.() ?? 0);
  }
}

/** What belongs to subordinate ids goes by the hand of root in a user namespace that has them, the rest by ours. */
async function removeTree(folder: string, uid: number): Promise<void> {
  if (uid !== 0)
    await tryRun(['mmdebstrap', '--unshare-helper', 'find', folder, '-mindepth', '1', '-delete']);
  await files.remove(folder);
}

/** MemAvailable of /proc/meminfo in bytes (proc_meminfo(5)). */
export function memoryAvailable(meminfo: string): number {
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
}
