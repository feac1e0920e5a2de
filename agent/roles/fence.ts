import type { EtcdClient, Op, Txn, TxnResult } from '../consensus/etcd/types.ts';
import { KEYS } from '../registry/keys.ts';

/**
 * Write to etcd as the holder of a role: all of it, or nothing once somebody else may hold it. Every write that a
 * role makes goes through here, since a machine that was paused does not know yet that it has lost the role.
 *
 * @param fence create revision of the role's key, from the tenure
 * @returns `succeeded: false` when the role is no longer ours
 */
export function fencedTxn(
  client: Pick<EtcdClient, 'txn'>,
  role: string,
  fence: string,
  ops: readonly Op[],
  more: Pick<Txn, 'compare' | 'failure'> = { compare: [] },
): Promise<TxnResult> {
  return client.txn({
    compare: [{ key: KEYS.role(role), target: 'create', value: fence }, ...more.compare],
    success: ops,
    ...(more.failure === undefined ? {} : { failure: more.failure }),
  });
}
