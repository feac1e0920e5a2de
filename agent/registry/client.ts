import { createEtcdClient } from '../consensus/etcd/client.ts';
import type { Limit } from '../consensus/etcd/limit.ts';
import { tlsFromFiles } from '../consensus/etcd/tls-files.ts';
import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { Consensus } from '../engine/resources.ts';

/**
 * A client of the cluster's etcd that goes where the voters are: for the registry, the roles and the API.
 *
 * @param consensus the resource as it is now
 */
export function createClusterClient(consensus: () => Consensus | undefined, timeoutMs: Limit): EtcdClient {
  return createEtcdClient({
    endpoints: () => consensus()?.endpoints ?? [],
    tls: tlsFromFiles(() => consensus()?.tls),
    timeoutMs,
  });
}
