import type { EtcdClient, EtcdClientOptions } from './types.ts';

/** A client of etcd's JSON gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/). */
export function createEtcdClient(_options: EtcdClientOptions): EtcdClient {
  throw new Error('not written yet');
}
