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

/** Version 1 knows neither `name` nor `cgroup`, and without the latter a node does not start on every machine. */
export const COMPOSE_NEEDED = 'Docker Compose 2 (docker compose); docker-compose 1.x refuses this file';

const HEAD = `# A Cluster-OS quick cluster, for: docker compose --file compose.yaml up --detach
# Needs ${COMPOSE_NEEDED}.
# Without Compose 2: npx clusteros-build cluster up starts the same nodes.
# Written by clusteros-build cluster compose.
`;

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
  return `${HEAD}${stringify(document, { aliasDuplicateObjects: false })}`;
}
