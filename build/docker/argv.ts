/** The quick cluster as command lines of docker(1). Pure. */
import {
  CAPABILITIES,
  DEVICES,
  LABELS,
  type NodeSpec,
  networkOf,
  type QuickCluster,
  SECURITY,
  SEED_PLACE,
  STATE_PLACE,
  TMPFS,
} from './spec.ts';

/** The container of a node. Never --privileged: a host may lack a capability, and it is too much. */
export function runArgv(cluster: QuickCluster, node: NodeSpec): string[] {
  return [
    ...['run', '--detach', '--tty', '--name', node.container, '--hostname', node.name],
    ...labels(cluster, node).flatMap((label) => ['--label', label]),
    ...['--network', networkOf(cluster), '--ip', node.address],
    ...['--cgroupns', 'private', '--cap-drop', 'ALL'],
    ...CAPABILITIES.flatMap((capability) => ['--cap-add', capability]),
    ...DEVICES.flatMap((device) => ['--device', device]),
    ...SECURITY.flatMap((option) => ['--security-opt', option]),
    ...TMPFS.flatMap((place) => ['--tmpfs', place]),
    ...['--volume', `${cluster.seed}:${SEED_PLACE}:ro`, '--volume', `${node.volume}:${STATE_PLACE}`],
    ...Object.entries(node.environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    cluster.image,
  ];
}

export function networkArgv(cluster: QuickCluster): string[] {
  const label = `${LABELS.cluster}=${cluster.name}`;
  return ['network', 'create', '--subnet', cluster.subnet, '--label', label, networkOf(cluster)];
}

export function volumeArgv(cluster: QuickCluster, node: NodeSpec): string[] {
  return ['volume', 'create', '--label', `${LABELS.cluster}=${cluster.name}`, node.volume];
}

function labels(cluster: QuickCluster, node: NodeSpec): string[] {
  return [
    `${LABELS.cluster}=${cluster.name}`,
    `${LABELS.node}=${node.name}`,
    `${LABELS.address}=${node.address}`,
  ];
}
