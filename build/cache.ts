import { homedir } from 'node:os';
import * as path from 'node:path';
import { isLeftover, ownerLives, ownOwner } from './cache/owner.ts';
import { faultOf, RECORD_NAME, readRecord, seal } from './cache/record.ts';
import { OperatorError } from './errors.ts';
import { clock, files } from './host.ts';
import { assertMayFill } from './may-write.ts';

export { keyOf } from './cache/key.ts';

const CACHE_KINDS = ['packages', 'files', 'agent', 'artifact'] as const;
type CacheKind = (typeof CACHE_KINDS)[number];

/** Folders that other programs fill: listed and pruned with the rest, one entry for each base. */
const FOREIGN_KINDS = ['debs'] as const;

export interface CacheEntry {
  readonly kind: CacheKind | (typeof FOREIGN_KINDS)[number];
  readonly key: string;
  readonly folder: string;
  readonly bytes: number;
  /** Milliseconds since 1970 of the last use. */
  readonly usedMs: number;
  /** False for an entry without a readable record: never a hit, and the first to be pruned. */
  readonly complete: boolean;
}

/**
 * Results kept by what they were made from, in `<folder>/<kind>/<key>/`. An entry appears by one rename, whole, or
 * not at all. Entries are read-only by convention; half-made ones live in `<folder>/work/`, under their owner's
 * name, until the next {@link openCache} after the owner's death.
 */
export interface Cache {
  readonly folder: string;
  /** The folder of a hit. An entry that turns out damaged is removed, with a warning, and is a miss. */
  lookup(kind: CacheKind, key: string): Promise<string | undefined>;
  /**
   * Build an entry in a private work folder and put it in place. When another process was faster, its entry is
   * the one; when `build` fails, nothing stays.
   *
   * @returns the folder of the entry
   */
  store(kind: CacheKind, key: string, build: (workFolder: string) => Promise<void>): Promise<string>;
  list(): Promise<CacheEntry[]>;
  /** Remove entries, except those that a living process looked up. @returns those that were removed */
  prune(policy: PrunePolicy): Promise<CacheEntry[]>;
}

export interface PrunePolicy {
  readonly all?: boolean;
  /** How many of each kind stay, the last used first. */
  readonly keep?: number;
  /** Remove what was not used for this long. */
  readonly olderThanMs?: number;
}

/** Where the cache is: `$CLUSTEROS_CACHE`, `$XDG_CACHE_HOME/clusteros` or `~/.cache/clusteros`. */
export function cacheFolderOf(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env.CLUSTEROS_CACHE) return path.resolve(env.CLUSTEROS_CACHE);
  // The XDG base directory specification has relative paths ignored.
  if (env.XDG_CACHE_HOME?.startsWith('/')) return path.join(env.XDG_CACHE_HOME, 'clusteros');
  return path.join(env.HOME || homedir(), '.cache', 'clusteros');
}

/**
 * @param warn is told about damaged entries, one sentence each
 * @throws OperatorError `file.unwritable` when the folder cannot be made
 */
export async function openCache(
  folder = cacheFolderOf(),
  warn: (text: string) => void = toStderr,
): Promise<Cache> {
  const work = path.join(folder, 'work');
  await claimFolder(folder);
  await files.makeFolder(work);
  await removeOrphans(work);
  const owner = await ownOwner();
  const folderOf = (kind: CacheKind, key: string) => path.join(folder, kind, checkedKey(key));

  return {
    folder,
    async lookup(kind, key) {
      const entry = folderOf(kind, key);
      if ((await files.statOrUndefined(entry)) === undefined) return undefined;
      await files.writeAtomic(path.join(work, useMarker(owner, kind, key)), '');
      const record = await readRecord(entry);
      const fault =
        record === undefined ? `${RECORD_NAME} is missing or damaged` : await faultOf(entry, record);
      if (fault === undefined) {
        await touch(path.join(entry, RECORD_NAME));
        return entry;
      }
      warn(`the cache entry ${entry} is damaged (${fault}): it is removed and made again`);
      await vanish(entry, work, owner);
      return undefined;
    },
    async store(kind, key, build) {
      const entry = folderOf(kind, key);
      const half = await files.makeWorkFolder(work, `${owner}.${kind}`);
      try {
        await build(half);
        await seal(half, clock.wallClock());
        await files.writeAtomic(path.join(work, useMarker(owner, kind, key)), '');
        await placeEntry(half, entry);
      } finally {
        await files.remove(half);
      }
      return entry;
    },
    list: () => listEntries(folder),
    async prune(policy) {
      const used = await keysInUse(work);
      const doomed = entriesToPrune(await listEntries(folder), policy, clock.wallClock().getTime());
      const free = doomed.filter(({ kind, key }) => !used.has(`${kind}.${key}`));
      for (const entry of free) await vanish(entry.folder, work, owner);
      return free;
    },
  };
}

/** Which entries a policy removes. Incomplete ones always go. Pure. */
export function entriesToPrune(
  entries: readonly CacheEntry[],
  policy: PrunePolicy,
  nowMs: number,
): CacheEntry[] {
  return [...CACHE_KINDS, ...FOREIGN_KINDS].flatMap((kind) => {
    const newestFirst = entries
      .filter((entry) => entry.kind === kind)
      .sort((one, other) => other.usedMs - one.usedMs);
    return newestFirst.filter((entry, index) => {
      if (policy.all || !entry.complete) return true;
      if (policy.olderThanMs !== undefined && nowMs - entry.usedMs > policy.olderThanMs) return true;
      return policy.keep !== undefined && index >= policy.keep;
    });
  });
}

async function placeEntry(half: string, entry: string): Promise<void> {
  try {
    await files.moveIntoPlace(half, entry);
  } catch (error) {
    // Another process has put the same entry there in the meantime: same key, same content.
    const reason = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
    if (reason !== 'ENOTEMPTY' && reason !== 'EEXIST') throw error;
  }
}

/**
 * A cache is a folder that we prune: it says that it is one (https://bford.info/cachedir/, which backups heed too).
 *
 * @throws OperatorError `cache.folder` for a folder of somebody's files, `output.place`
 */
async function claimFolder(folder: string): Promise<void> {
  await assertMayFill(folder, { what: 'the cache' });
  const tag = path.join(folder, 'CACHEDIR.TAG');
  if (await files.exists(tag)) return;
  const strange = await strangeIn(folder);
  if (strange !== undefined) {
    throw new OperatorError({
      code: 'cache.folder',
      message: `${folder} is no cache of ours: ${strange} holds other files, which a cache would lose`,
      fix: 'name an empty folder, or one that is not there yet, with CLUSTEROS_CACHE',
    });
  }
  await files.makeFolder(folder);
  await files.writeAtomic(tag, TAG);
}

/** A folder of a cache's name that holds none of its entries; earlier versions wrote no tag. */
async function strangeIn(folder: string): Promise<string | undefined> {
  for (const kind of CACHE_KINDS) {
    const place = path.join(folder, kind);
    const keys = await files.listFolder(place);
    const records = await Promise.all(keys.map((key) => readRecord(path.join(place, key))));
    if (keys.length > 0 && records.every((record) => record === undefined)) return place;
  }
  return undefined;
}

const TAG = `Signature: 8a477f597d28d172789f06886806bc55
# Results that clusteros-build makes again when they are missing.
`;

/** Gone at once for everybody else, and then for the disk. */
async function vanish(entry: string, work: string, owner: string): Promise<void> {
  const bin = await files.makeWorkFolder(work, `${owner}.removed`);
  try {
    await files.moveIntoPlace(entry, path.join(bin, 'entry'));
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') throw error;
  } finally {
    await files.remove(bin);
  }
}

async function removeOrphans(work: string): Promise<void> {
  for (const name of await files.listFolder(work)) {
    if (await isLeftover(name)) await files.remove(path.join(work, name));
  }
}

async function keysInUse(work: string): Promise<Set<string>> {
  const names = (await files.listFolder(work)).filter((name) => name.endsWith('.use'));
  const living: string[] = [];
  for (const name of names) if (await ownerLives(name)) living.push(name);
  const own = await ownOwner();
  return new Set(
    living.filter((name) => !name.startsWith(`${own}.`)).map((name) => name.split('.').slice(1, 3).join('.')),
  );
}

function useMarker(owner: string, kind: CacheKind, key: string): string {
  return `${owner}.${kind}.${key}.use`;
}

async function listEntries(folder: string): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const kind of CACHE_KINDS) {
    const names = await files.listFolder(path.join(folder, kind));
    for (const key of names.filter((name) => !name.startsWith('.'))) {
      const entry = path.join(folder, kind, key);
      const record = await readRecord(entry);
      const status = await files.statOrUndefined(
        record === undefined ? entry : path.join(entry, RECORD_NAME),
      );
      if (status === undefined) continue;
      const bytes =
        record === undefined
          ? await bytesBelow(entry)
          : record.files.reduce((sum, file) => sum + file.bytes, 0);
      entries.push({
        kind,
        key,
        folder: entry,
        bytes,
        usedMs: status.mtimeMs,
        complete: record !== undefined,
      });
    }
  }
  for (const kind of FOREIGN_KINDS) {
    for (const key of await files.listFolder(path.join(folder, kind))) {
      const entry = path.join(folder, kind, key);
      const usedMs = (await files.statOrUndefined(entry))?.mtimeMs ?? 0;
      entries.push({ kind, key, folder: entry, bytes: await bytesBelow(entry), usedMs, complete: true });
    }
  }
  return entries;
}

async function bytesBelow(target: string): Promise<number> {
  const status = await files.statOrUndefined(target);
  if (!status?.isDirectory()) return status?.size ?? 0;
  let sum = 0;
  for (const name of await files.listFolder(target)) sum += await bytesBelow(path.join(target, name));
  return sum;
}

async function touch(file: string): Promise<void> {
  const handle = await files.openFile(file, 'r+');
  try {
    const now = clock.wallClock();
    await handle.utimes(now, now);
  } finally {
    await handle.close();
  }
}

function checkedKey(key: string): string {
  if (!/^[\w-]{1,128}$/.test(key)) throw new Error(`"${key}" is no key of a cache: use keyOf()`);
  return key;
}

function toStderr(text: string): void {
  process.stderr.write(`clusteros: ${text}\n`);
}
