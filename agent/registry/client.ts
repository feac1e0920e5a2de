import { createEtcdClient } from '../consensus/etcd/client.ts';
import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { Consensus } from '../engine/resources.ts';
import { files } from '../host.ts';

const PEM_LIMIT = 64 * 1024;

/**
 * A client of the cluster's etcd that goes where the voters are: for the registry, the roles and the API.
 *
 * @param consensus the resource as it is now
 */
export function createClusterClient(consensus: () => Consensus | undefined, timeoutMs = 5_000): EtcdClient {
  return createEtcdClient({
    endpoints: () => consensus()?.endpoints ?? [],
    tls: async () => {
      const paths = consensus()?.tls;
      if (paths === undefined) return undefined;
      const [ca, certificate, key] = await Promise.all([
        textOf(paths.ca),
        textOf(paths.certificate),
        textOf(paths.key),
      ]);
      return ca && certificate && key ? { ca, certificate, key } : undefined;
    },
    timeoutMs,
  });
}

async function textOf(file: string): Promise<string | undefined> {
  return (await files.readLimited(file, PEM_LIMIT))?.bytes.toString('utf8');
}
