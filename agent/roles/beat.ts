import type { EtcdClient, TxnResult } from '../consensus/etcd/types.ts';
import { KEYS } from '../registry/keys.ts';
import { fencedTxn } from './fence.ts';

/**
 * Write a sign of life over the one before. A beat that arrives late fails, so that it never brings an older lease
 * back; it fails as well after one whose answer was lost, and then says where the key stands.
 *
 * @param mod revision of the last write that is known
 */
export function writeBeat(
  client: Pick<EtcdClient, 'txn'>,
  role: string,
  { fence, mod, value }: { readonly fence: string; readonly mod: string; readonly value: string },
): Promise<TxnResult> {
  const key = KEYS.role(role);
  return fencedTxn(client, role, fence, [{ kind: 'put', key, value }], {
    compare: [{ key, target: 'mod', value: mod }],
    failure: [{ kind: 'range', key }],
  });
}

/** The mod revision of the key that a failed beat found, if it is still the holder's own. Pure. */
export function modOf({ responses }: TxnResult, fence: string | undefined): string | undefined {
  const [response] = responses;
  const kv = response?.kind === 'range' ? response.kvs[0] : undefined;
  return kv !== undefined && kv.createRevision === fence ? kv.modRevision : undefined;
}
