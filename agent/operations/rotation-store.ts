import * as path from 'node:path';
import * as z from 'zod';
import { AgentError } from '../errors.ts';
import { files, processes } from '../host.ts';
import { decodeKey, refuseLooseFile } from '../identity/identity.ts';
import { keyFile, loadKey } from '../identity/key-store.ts';
import { readRecord } from '../own-record.ts';
import { type HeldKeys, markSchema, type NextKey, PHASES, type RotationMark } from './rotation.ts';

const LIMIT = 4096;

const nextSchema = z.object({
  version: z.literal(1),
  rotation: z.string().regex(/^[0-9a-f]{16}$/),
  phase: z.enum(PHASES),
  key: z.string().max(64),
});

export function nextKeyFile(state: string): string {
  return path.join(state, 'cluster.key.next');
}

/**
 * The keys on the disk; undefined when the node holds no cluster key. A file of the next key that is damaged, or that
 * others may read, counts as absent: the rotation gives it out again.
 *
 * @throws AgentError as {@link loadKey}
 */
export async function loadHeldKeys(state: string): Promise<HeldKeys | undefined> {
  const current = await loadKey(state);
  if (current === undefined) return undefined;
  const next = await loadNext(nextKeyFile(state));
  const reached = await loadReached(state);
  return { current, ...(next === undefined ? {} : { next }), ...(reached === undefined ? {} : { reached }) };
}

async function loadNext(file: string): Promise<NextKey | undefined> {
  try {
    const found = await files.readLimited(file, LIMIT);
    if (found === undefined) return undefined;
    refuseLooseFile({ path: file, mode: found.mode, uid: found.uid, ownUid: processes.self().uid }, 'key');
    return parseNext(found.bytes.toString('utf8'));
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return undefined;
  }
}

function reachedFile(state: string): string {
  return path.join(state, 'rotation.json');
}

/** Undefined when there was none; a damaged file counts as none: the rotations of etcd are believed again. */
function loadReached(state: string): Promise<RotationMark | undefined> {
  return readRecord(reachedFile(state), LIMIT, markSchema);
}

/** Note the latest rotation of this node; an earlier one changes nothing. */
export async function reachRotation(state: string, { id, number }: RotationMark): Promise<void> {
  if (number <= ((await loadReached(state))?.number ?? 0)) return;
  await files.writeDurable(reachedFile(state), `${JSON.stringify({ id, number })}\n`, 0o600);
}

/** Hold the other key, and how far we have come with it. */
export async function holdNextKey(state: string, { rotation, phase, key }: NextKey): Promise<void> {
  const text = JSON.stringify({ version: 1, rotation, phase, key: key.toString('base64') });
  await files.writeDurable(nextKeyFile(state), `${text}\n`, 0o600);
}

/**
 * Put the new key in the old one's place. Between the two steps both files hold it, which means the same as
 * afterwards.
 */
export async function adoptNextKey(state: string, next: NextKey): Promise<void> {
  await files.writeDurable(keyFile(state), `${next.key.toString('base64')}\n`, 0o600);
  await forgetNextKey(state);
}

export async function forgetNextKey(state: string): Promise<void> {
  await files.remove(nextKeyFile(state));
}

function parseNext(text: string): NextKey | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = nextSchema.safeParse(value);
  const key = data && decodeKey(data.key);
  return key && { rotation: data.rotation, phase: data.phase, key };
}
