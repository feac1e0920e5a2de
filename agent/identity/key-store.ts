import * as path from 'node:path';
import { files, processes } from '../host.ts';
import { damagedKey, readKey } from './cluster-key.ts';
import { refuseLooseFile } from './identity.ts';

const LIMIT = 64 * 1024;

export function keyFile(state: string): string {
  return path.join(state, 'cluster.key');
}

/**
 * The cluster key that the node holds, or undefined when it holds none.
 *
 * @throws AgentError `key.mode`, `key.owner`, `key.corrupted`
 */
export async function loadKey(state: string): Promise<Buffer | undefined> {
  const file = keyFile(state);
  const found = await files.readLimited(file, LIMIT);
  if (found === undefined) return undefined;
  refuseLooseFile({ path: file, mode: found.mode, uid: found.uid, ownUid: processes.self().uid }, 'key');
  const reading = readKey(found.bytes);
  if (reading.key === undefined) throw damagedKey(file, reading.reason);
  return reading.key;
}

/**
 * Hold a key from now on.
 *
 * @returns the key that stands on the disk: another process may have been first
 */
export async function holdKey(state: string, key: Buffer): Promise<Buffer> {
  await files.createDurable(keyFile(state), `${key.toString('base64')}\n`, 0o600);
  const held = await loadKey(state);
  if (held === undefined) throw new Error(`${keyFile(state)} vanished right after it was made`);
  return held;
}
