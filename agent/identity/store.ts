import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import { clock, files, processes } from '../host.ts';
import { type Identity, identityFromSeed, parseIdentity, serializeIdentity } from './identity.ts';

const LIMIT = 16 * 1024;

export function identityFile(state: string): string {
  return path.join(state, 'identity.json');
}

/**
 * The identity that the state folder holds, or undefined when it holds none.
 *
 * @throws AgentError when there is one that cannot be trusted
 */
export async function loadIdentity(state: string): Promise<Identity | undefined> {
  const file = identityFile(state);
  const found = await files.readLimited(file, LIMIT);
  if (found === undefined) return undefined;
  return parseIdentity(found.bytes, {
    path: file,
    mode: found.mode,
    uid: found.uid,
    ownUid: processes.self().uid,
  });
}

/**
 * The identity of this node, made now if there is none. Two processes that do this at once end up with the
 * same one: the file is created or lost, never replaced, and what counts is what stands on the disk.
 *
 * @throws AgentError when there is one that cannot be trusted, or the folder cannot be written
 */
export async function ensureIdentity(state: string): Promise<{ identity: Identity; created: boolean }> {
  const present = await loadIdentity(state);
  if (present !== undefined) return { identity: present, created: false };
  const fresh = identityFromSeed(randomBytes(32), clock.wallClock());
  const created = await files.createDurable(identityFile(state), serializeIdentity(fresh), 0o600);
  const identity = await loadIdentity(state);
  if (identity === undefined) throw new Error(`${identityFile(state)} vanished right after it was made`);
  return { identity, created };
}

/** Make the state folder ready: there, private, and without what a crash left half-written. */
export async function prepareState(state: string): Promise<string[]> {
  await files.makeFolder(state, 0o700);
  return files.removeLeftovers(state);
}
