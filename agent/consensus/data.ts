import * as path from 'node:path';
import { clock, files, folders } from '../host.ts';

/** Copies of etcd's data that were set aside and are still kept. */
const KEPT = 3;

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
 * Put the data away under another name; nothing is thrown away but what was put away long before. etcd must not
 * run. Doing it again when there is none is fine.
 *
 * @returns the new name; undefined when there was none
 */
export async function setAside(state: string): Promise<string | undefined> {
  const folder = dataFolder(state);
  if ((await files.list(folder))?.length) {
    const to = await freeName(state);
    await folders.moveDurable(folder, to);
    await forgetOldest(state);
    return to;
  }
  return undefined;
}

/** A name that is not taken, in the order of time; without a clock the number says it. */
export async function freeName(state: string): Promise<string> {
  const stamp = clock.wallClock().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  const taken = await asides(state);
  const last = Math.max(0, ...taken.map((name) => Number(/^etcd\.aside-(\d+)-/.exec(name)?.[1] ?? 0)));
  return path.join(state, `etcd.aside-${String(last + 1).padStart(4, '0')}-${stamp}`);
}

async function forgetOldest(state: string): Promise<void> {
  for (const name of (await asides(state)).slice(0, -KEPT)) await folders.removeTree(path.join(state, name));
}

async function asides(state: string): Promise<string[]> {
  const found = (await files.list(state)) ?? [];
  return found.filter(({ name }) => name.startsWith('etcd.aside-')).map(({ name }) => name);
}
