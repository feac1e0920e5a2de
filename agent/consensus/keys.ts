import type { EtcdClient } from './etcd/types.ts';

/** Our part of what stands in etcd; the rest is the registry's. */
export const PREFIX = '/clusteros/v1/';
export const GENESIS_KEY = `${PREFIX}genesis`;
export const wishKey = (wish: Wish, id: string) => `${PREFIX}${wish}/${id}`;

/** Why a node should be no member: it goes, it was thrown out, or it has lost its data. */
export type Wish = 'leaving' | 'evicted' | 'lost';

export async function readWishes(client: EtcdClient, wish: Wish): Promise<Set<string>> {
  const prefix = wishKey(wish, '');
  const { kvs } = await client.range(prefix, { prefix: true, keysOnly: true, limit: 2_000 });
  return new Set(kvs.map(({ key }) => key.slice(prefix.length)));
}

/**
 * Is there nothing in etcd but what agents wrote? A prefix must not be empty, so each first character is asked
 * for by itself; names of keys are text.
 */
export async function holdsOnlyOurs(client: EtcdClient): Promise<boolean> {
  const firsts = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index));
  const { responses } = await client.txn({
    compare: [],
    success: firsts.map((key) => ({ kind: 'range', key, prefix: true, limit: 200, keysOnly: true })),
  });
  return responses.every(
    (response) =>
      response.kind !== 'range' ||
      (!response.more && response.kvs.every(({ key }) => key.startsWith(PREFIX))),
  );
}

/** The UUID in a genesis as it stands in etcd, or undefined. */
export function uuidIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { uuid?: string } | null)?.uuid;
  } catch {
    // Whatever stands there is not ours.
    return undefined;
  }
}
