import * as path from 'node:path';
import { clock, files, folders } from '../host.ts';
import type { Log } from '../log.ts';

/** Copies that hold nothing of their own, and are kept: the cluster that this node goes on in has it all. */
const KEPT = 3;
const COPIED = '-copied';

/** Where etcd keeps its data on this node; the name is also in its unit. */
export function dataFolder(state: string): string {
  return path.join(state, 'etcd');
}

/** etcd has written a log here: a crash before that leaves nothing that could be lost. */
export async function holdsData(state: string): Promise<boolean> {
  const logs = await files.list(path.join(dataFolder(state), 'member', 'wal'));
  return logs?.some(({ name }) => name.endsWith('.wal')) ?? false;
}

/**
 * Put the data away under another name. What may be the only copy, of a cluster that was left or begun again, stays
 * until somebody removes it. etcd must not run. Doing it again when there is none is fine.
 *
 * @param copied the cluster that this node goes on in has all of it: of such copies only the newest three stay, and
 *   this log tells which one is removed
 * @returns the new name; undefined when there was none
 */
export async function setAside(state: string, copied?: Pick<Log, 'warning'>): Promise<string | undefined> {
  const folder = dataFolder(state);
  if (!(await files.list(folder))?.length) return undefined;
  const name = await freeName(state);
  const to = copied === undefined ? name : `${name}${COPIED}`;
  await folders.moveDurable(folder, to);
  if (copied !== undefined) await forgetOldest(state, copied);
  return to;
}

/** A name that is not taken, in the order of time; without a clock the number says it. */
export async function freeName(state: string): Promise<string> {
  const stamp = clock.wallClock().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  const taken = await asides(state);
  const last = Math.max(0, ...taken.map((name) => Number(/^etcd\.aside-(\d+)-/.exec(name)?.[1] ?? 0)));
  return path.join(state, `etcd.aside-${String(last + 1).padStart(4, '0')}-${stamp}`);
}

async function forgetOldest(state: string, log: Pick<Log, 'warning'>): Promise<void> {
  for (const name of (await asides(state)).filter((one) => one.endsWith(COPIED)).slice(0, -KEPT)) {
    const folder = path.join(state, name);
    log.warning("removing an old copy of etcd's data that the cluster has too", { folder });
    await folders.removeTree(folder);
  }
}

async function asides(state: string): Promise<string[]> {
  const found = (await files.list(state)) ?? [];
  return found.filter(({ name }) => name.startsWith('etcd.aside-')).map(({ name }) => name);
}
