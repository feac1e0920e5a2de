/** The quick cluster as a file for docker compose. Pure. Source: the Compose specification. */
import { stringify } from 'yaml';
import {
  CAPABILITIES,
  DEVICES,
  LABELS,
  networkOf,
  nodesOf,
  type QuickCluster,
  SECURITY,
  SEED_PLACE,
  STATE_PLACE,
  TMPFS,
} from './spec.ts';

export function composeText(cluster: QuickCluster): string {
  const nodes = nodesOf(cluster);
  const document = {
    name: cluster.name,
    services: Object.fromEntries(
      nodes.map(({ name, container, volume, address, environment }) => [
        name,
        {
          image: cluster.image,
          container_name: container,
          hostname: name,
          tty: true,
          cgroup: 'private',
          cap_drop: ['ALL'],
          cap_add: [...CAPABILITIES],
          devices: [...DEVICES],
          security_opt: [...SECURITY],
          tmpfs: [...TMPFS],
          stop_signal: 'SIGRTMIN+3',
          labels: { [LABELS.cluster]: cluster.name, [LABELS.node]: name, [LABELS.address]: address },
          // A dollar sign is compose's own.
          environment: Object.fromEntries(
            Object.entries(environment).map(([key, value]) => [key, value.replaceAll('$', '$$$$')]),
          ),
          volumes: [`${cluster.seed}:${SEED_PLACE}:ro`, `${volume}:${STATE_PLACE}`],
          networks: { mesh: { ipv4_address: address } },
        },
      ]),
    ),
    networks: {
      mesh: {
        name: networkOf(cluster),
        labels: { [LABELS.cluster]: cluster.name },
        ipam: { config: [{ subnet: cluster.subnet }] },
      },
    },
    volumes: Object.fromEntries(
      nodes.map(({ volume }) => [volume, { name: volume, labels: { [LABELS.cluster]: cluster.name } }]),
    ),
  };
  return `# A Cluster-OS quick cluster, for: docker compose --file compose.yaml up --detach\n# Written by clusteros-build cluster compose.\n${stringify(document, { aliasDuplicateObjects: false })}`;
}
