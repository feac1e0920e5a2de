import type { ClusterLook } from './cluster-look.ts';
import type { Keeper } from './durable.ts';
import type { EtcdClient } from './etcd/types.ts';
import { GENESIS_KEY, uuidIn } from './keys.ts';

/** Believe the endpoints only when the cluster behind them has our genesis; from then on by etcd's own id. */
export async function pin(
  client: EtcdClient,
  keeper: Keeper,
  look: ClusterLook,
  self: string,
): Promise<void> {
  const { genesis, clusterId, started } = keeper.now();
  if (genesis === undefined || clusterId !== undefined || look.status === undefined) return;
  let same = look.local && genesis.founder === self && started === true;
  if (!same) {
    const [kv] = (await client.range(GENESIS_KEY)).kvs;
    same = kv !== undefined && uuidIn(kv.value) === genesis.uuid;
  }
  const { clusterId: found } = look.status;
  if (!same) return;
  await keeper.change((durable) =>
    durable.genesis?.uuid === genesis.uuid ? { ...durable, clusterId: found } : undefined,
  );
}
