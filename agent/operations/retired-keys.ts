import * as path from 'node:path';
import * as z from 'zod';
import { files, processes } from '../host.ts';
import { decodeKey, refuseLooseFile } from '../identity/identity.ts';
import { clusterSubkey, fingerprint } from '../identity/keys.ts';

/**
 * A cluster key that was replaced, as far as it is kept: enough for a node that slept through the change to ask
 * for the new one, and for nothing else.
 */
export interface RetiredKey {
  readonly fingerprint: string;
  /** Pre-shared key of the peer channel. */
  readonly channel: Buffer;
  /** ISO 8601. */
  readonly retiredAt: string;
}

export const RETIRED_MS = 30 * 86_400_000;
const MOST = 8;
const LIMIT = 16 * 1024;

const fileSchema = z.object({
  version: z.literal(1),
  keys: z
    .array(
      z.object({
        fingerprint: z.string().regex(/^[0-9a-f]{8}$/),
        channel: z.string().max(64),
        retiredAt: z.string().max(40),
      }),
    )
    .max(MOST),
});

export function retiredKeysFile(state: string): string {
  return path.join(state, 'old-keys.json');
}

/** Newest first; none when the file is missing or damaged: the sleepers then get the key by hand. */
export async function loadRetiredKeys(state: string): Promise<readonly RetiredKey[]> {
  const file = retiredKeysFile(state);
  const found = await files.readLimited(file, LIMIT);
  if (found === undefined) return [];
  refuseLooseFile({ path: file, mode: found.mode, uid: found.uid, ownUid: processes.self().uid }, 'key');
  return parseRetired(found.bytes.toString('utf8'));
}

export async function saveRetiredKeys(state: string, keys: readonly RetiredKey[]): Promise<void> {
  const said = keys.map(({ channel, ...rest }) => ({ ...rest, channel: channel.toString('base64') }));
  const text = JSON.stringify({ version: 1, keys: said });
  await files.writeDurable(retiredKeysFile(state), `${text}\n`, 0o600);
}

/** With one more key that is replaced now, without those that have had their time. Pure. */
export function retire(before: readonly RetiredKey[], clusterKey: Buffer, now: Date): RetiredKey[] {
  const mark = fingerprint(clusterKey);
  const fresh = {
    fingerprint: mark,
    channel: clusterSubkey(clusterKey, 'channel'),
    retiredAt: now.toISOString(),
  };
  return [fresh, ...inTime(before, now).filter((key) => key.fingerprint !== mark)].slice(0, MOST);
}

/** Those retired within the last 30 days. Pure. */
export function inTime(keys: readonly RetiredKey[], now: Date): readonly RetiredKey[] {
  return keys.filter(({ retiredAt }) => now.getTime() - Date.parse(retiredAt) < RETIRED_MS);
}

function parseRetired(text: string): RetiredKey[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const { data } = fileSchema.safeParse(value);
  return (data?.keys ?? []).flatMap((key) => {
    const channel = decodeKey(key.channel);
    return channel === undefined || Number.isNaN(Date.parse(key.retiredAt)) ? [] : [{ ...key, channel }];
  });
}
