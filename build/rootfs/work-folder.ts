import * as path from 'node:path';
import { files } from '../host.ts';

/** What a root file system takes while it is made, with room to spare. */
const TREE_BYTES = 3 * 2 ** 30;

export interface WorkPlace {
  readonly work: string;
  /** Size of the tmpfs to mount on it, or undefined to use the disk. */
  readonly tmpfsBytes: number | undefined;
}

/**
 * A folder for the half-made root: memory when there is plenty, else the disk. dpkg syncs every file that it
 * writes; on a tmpfs that costs nothing.
 *
 * @param beside a folder on the disk to fall back to
 */
export async function chooseWorkFolder(beside: string): Promise<WorkPlace> {
  const available = memoryAvailable(await files.readText('/proc/meminfo'));
  const work = await files.makeWorkFolder(path.dirname(beside), 'root');
  const inMemory = available >= 2 * TREE_BYTES && process.getuid?.() === 0;
  return { work, tmpfsBytes: inMemory ? TREE_BYTES : undefined };
}

/** MemAvailable of /proc/meminfo in bytes (proc_meminfo(5)). */
export function memoryAvailable(meminfo: string): number {
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
}
