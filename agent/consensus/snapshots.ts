import * as path from 'node:path';
import { clock, files } from '../host.ts';
import type { EtcdClient } from './etcd/types.ts';

const KEPT = 5;
const NAME = /^(\d{8})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.db$/;

export interface SnapshotFile {
  readonly file: string;
  /** ISO 8601, by the clock as it was then. */
  readonly takenAt: string;
  readonly bytes: number;
}

export function snapshotFolder(state: string): string {
  return path.join(state, 'snapshots');
}

/**
 * Take a snapshot of the member at the endpoint into the folder and forget all but the newest five. It appears
 * whole and verified, or not at all.
 */
export async function takeSnapshot(
  client: Pick<EtcdClient, 'snapshot'>,
  endpoint: string,
  state: string,
  signal: AbortSignal,
): Promise<SnapshotFile> {
  const folder = snapshotFolder(state);
  await files.makeFolder(folder, 0o700);
  await files.removeLeftovers(folder);
  const before = await listSnapshots(state);
  const last = Math.max(0, ...before.map(({ file }) => Number(path.basename(file).slice(0, 8))));
  const stamp = clock.wallClock().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  // The number orders them: clocks may jump.
  const file = path.join(folder, `${String(last + 1).padStart(8, '0')}-${stamp}.db`);
  await client.snapshot(endpoint, file, signal);
  const all = await listSnapshots(state);
  for (const old of all.slice(0, -KEPT)) await files.remove(old.file);
  return all.at(-1) as SnapshotFile;
}

/** The newest one, or undefined. */
export async function latestSnapshot(state: string): Promise<string | undefined> {
  return (await listSnapshots(state)).at(-1)?.file;
}

/** Those of this node, oldest first. */
export async function listSnapshots(state: string): Promise<SnapshotFile[]> {
  const folder = snapshotFolder(state);
  return ((await files.list(folder)) ?? []).flatMap(({ name, size }) => {
    const [, , year, month, day, hour, minute, second] = NAME.exec(name) ?? [];
    if (second === undefined) return [];
    const takenAt = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
    return [{ file: path.join(folder, name), takenAt, bytes: size }];
  });
}
