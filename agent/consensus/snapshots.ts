import * as path from 'node:path';
import { clock, files } from '../host.ts';
import type { EtcdClient } from './etcd/types.ts';

const KEPT = 5;
export const SNAPSHOT_EVERY_MS = 3_600_000;

export function snapshotFolder(state: string): string {
  return path.join(state, 'snapshots');
}

/**
 * Take a snapshot of the member at the endpoint into the folder and forget all but the newest five. It appears
 * whole and verified, or not at all.
 */
export async function takeSnapshot(
  client: EtcdClient,
  endpoint: string,
  state: string,
  signal: AbortSignal,
): Promise<string> {
  const folder = snapshotFolder(state);
  await files.makeFolder(folder, 0o700);
  await files.removeLeftovers(folder);
  const last = Math.max(0, ...(await snapshots(state)).map((name) => Number(name.slice(0, 8))));
  const stamp = clock.wallClock().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  // The number orders them: clocks may jump.
  const file = path.join(folder, `${String(last + 1).padStart(8, '0')}-${stamp}.db`);
  await client.snapshot(endpoint, file, signal);
  for (const name of (await snapshots(state)).slice(0, -KEPT)) await files.remove(path.join(folder, name));
  return file;
}

/** The newest one, or undefined. */
export async function latestSnapshot(state: string): Promise<string | undefined> {
  const name = (await snapshots(state)).at(-1);
  return name === undefined ? undefined : path.join(snapshotFolder(state), name);
}

/** Names, oldest first. */
async function snapshots(state: string): Promise<string[]> {
  const found = (await files.list(snapshotFolder(state))) ?? [];
  return found.map(({ name }) => name).filter((name) => /^\d{8}-\w+\.db$/.test(name));
}
