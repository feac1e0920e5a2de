import type { Compare, EtcdClient, KeyValue } from './types.ts';

/**
 * One holder for one key, as long as its lease lives. The create revision of the key is the fence: it is greater
 * for each later holder, so whatever a former holder still sends can be told apart.
 */
export type Acquired =
  | { readonly held: true; readonly fence: string }
  | { readonly held: false; readonly holder: KeyValue };

/**
 * Take the key if nobody holds it. Taking again what one holds with the same lease is fine, so that a write
 * without an answer may be repeated.
 *
 * @throws EtcdError `etcd.not-found` when the lease is gone; with `outcomeUnknown` call again
 */
export async function acquire(
  client: EtcdClient,
  key: string,
  value: string,
  leaseId: string,
): Promise<Acquired> {
  const { succeeded, revision, responses } = await client.txn({
    compare: [{ key, target: 'create', value: '0' }],
    success: [{ kind: 'put', key, value, lease: leaseId }],
    failure: [{ kind: 'range', key }],
  });
  if (succeeded) return { held: true, fence: revision };
  const found = responses[0];
  const holder = found?.kind === 'range' ? found.kvs[0] : undefined;
  if (holder === undefined) throw new Error(`etcd says that ${key} is held, and by nobody`);
  if (holder.lease === leaseId) return { held: true, fence: holder.createRevision };
  return { held: false, holder };
}

/** Who holds the key now, by a linearizable read. */
export async function holderOf(client: EtcdClient, key: string): Promise<KeyValue | undefined> {
  return (await client.range(key)).kvs[0];
}

/**
 * Every holder from now on, undefined for none; begins with the present one. Ends with the signal.
 */
export async function* observe(
  client: EtcdClient,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<KeyValue | undefined, void, void> {
  for await (const news of client.watch(key, {}, signal)) {
    if (news.kind === 'reset') yield news.kvs[0];
    else for (const { type, kv } of news.events) yield type === 'put' ? kv : undefined;
  }
}

/**
 * Give the key up, if it is still ours.
 *
 * @returns whether it was; false: another one holds it, or nobody
 */
export async function resign(client: EtcdClient, key: string, fence: string): Promise<boolean> {
  const { succeeded } = await client.txn({
    compare: [fenced(key, fence)],
    success: [{ kind: 'delete', key }],
  });
  return succeeded;
}

/** For others' transactions: holds only while the holder with this fence does. */
export function fenced(key: string, fence: string): Compare {
  return { key, target: 'create', value: fence };
}
