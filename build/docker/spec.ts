/** What the quick cluster under Docker is made of: one container a node. Pure, and the only source of both forms of it. */
import { OperatorError } from '../errors.ts';

export interface QuickCluster {
  /** The first part of every name. */
  readonly name: string;
  /** An image that the engine has. */
  readonly image: string;
  readonly nodes: number;
  /** IPv4 range of the network between the containers. */
  readonly subnet: string;
  /** Folder of this machine with the seed's files. */
  readonly seed: string;
  /** For every node, besides its own. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface NodeSpec {
  /** `node1`: its host name, and its name in the cluster. */
  readonly name: string;
  readonly container: string;
  readonly volume: string;
  readonly address: string;
  readonly environment: Readonly<Record<string, string>>;
}

export const DEFAULT_SUBNET = '10.90.0.0/16';
/** node1 is the tenth address of the network. */
const FIRST_ADDRESS = 10;
export const MOST_NODES = 50;

/**
 * What systemd, the agent and its engines use, and nothing else. SYS_ADMIN: mounts of systemd and its sandboxes.
 * NET_ADMIN: the mesh and the firewall. The others are among Docker's own defaults.
 */
export const CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_ADMIN',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_ADMIN',
  'SYS_CHROOT',
] as const;

/** wireguard-go, where the kernel has no WireGuard; what a kubelet reads. */
export const DEVICES = ['/dev/net/tun', '/dev/kmsg:/dev/kmsg:r'] as const;
/** Where systemd would mount its own over the seed. */
export const TMPFS = ['/run', '/run/lock'] as const;
/** AppArmor's profile for containers forbids mounts. seccomp stays as the engine has it. */
export const SECURITY = ['apparmor=unconfined'] as const;

export const SEED_PLACE = '/run/clusteros/seed';
export const STATE_PLACE = '/var/lib/clusteros';
export const LABELS = {
  cluster: 'org.clusteros.cluster',
  node: 'org.clusteros.node',
  address: 'org.clusteros.address',
} as const;

export function networkOf({ name }: Pick<QuickCluster, 'name'>): string {
  return `${name}-net`;
}

/** The nodes by number: node1 is asked by all others to let them in. */
export function nodesOf(cluster: QuickCluster): NodeSpec[] {
  const first = addressOf(cluster.subnet, 1);
  return Array.from({ length: cluster.nodes }, (_, index) => {
    const name = `node${index + 1}`;
    return {
      name,
      container: containerName(cluster.name, name),
      volume: containerName(cluster.name, name),
      address: addressOf(cluster.subnet, index + 1),
      environment: {
        NODE_NAME: name,
        ...(index === 0 ? {} : { NODE_JOIN: first }),
        ...cluster.environment,
      },
    };
  });
}

export function containerName(cluster: string, node: string): string {
  return `${cluster}-${node}`;
}

/** @param number 1 for node1 @throws OperatorError `flag.invalid` */
export function addressOf(subnet: string, number: number): string {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(subnet);
  const bytes = match?.slice(1, 5).map(Number) ?? [];
  const length = Number(match?.[5]);
  const start = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const size = 2 ** (32 - length);
  const last = FIRST_ADDRESS + MOST_NODES;
  if (
    match === null ||
    bytes.some((byte) => byte > 255) ||
    size <= last ||
    length < 8 ||
    start % size !== 0
  ) {
    throw new OperatorError({
      code: 'flag.invalid',
      message: `--subnet does not understand "${subnet}"`,
      fix: `give a network of at least /25 with its first address, such as ${DEFAULT_SUBNET}`,
    });
  }
  const address = start + FIRST_ADDRESS + number - 1;
  return [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join('.');
}
