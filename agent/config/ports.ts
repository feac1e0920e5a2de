import { type Mistake, valueAt } from '../../settings/mistakes.ts';

/** The ports of a node: where they are set, what they are when they are not, and who may reach them. */
export const NODE_PORTS = [
  { path: ['gossip', 'port'], name: 'gossip', initial: 7946, protocol: 'tcp+udp', scope: 'lan' },
  { path: ['discovery', 'port'], name: 'cards', initial: 7947, protocol: 'tcp+udp', scope: 'lan' },
  { path: ['gossip', 'rpc_port'], name: 'gossip RPC', initial: 7950, protocol: 'tcp', scope: 'node' },
  { path: ['consensus', 'peer_port'], name: 'raft peers', initial: 7373, protocol: 'tcp', scope: 'mesh' },
  { path: ['consensus', 'client_port'], name: 'etcd clients', initial: 7374, protocol: 'tcp', scope: 'mesh' },
  { path: ['mesh', 'port'], name: 'wireguard', initial: 51820, protocol: 'udp', scope: 'lan' },
  { path: ['metrics', 'port'], name: 'metrics', initial: 7375, protocol: 'tcp', scope: 'mesh' },
] as const;

type PortPath = (typeof NODE_PORTS)[number]['path'];

/** The port that a setting has when nobody sets it. */
export function initialPort(...path: PortPath): number {
  const entry = NODE_PORTS.find((one) => one.path.join('.') === path.join('.'));
  if (entry === undefined) throw new Error(`there is no port ${path.join('.')}`);
  return entry.initial;
}

/**
 * Ports that are set to the same number. Pure.
 *
 * @param settings as they are written or with their defaults
 * @param taken ports of others, each with its owner
 */
export function portConflicts(settings: unknown, taken: Iterable<readonly [number, string]> = []): Mistake[] {
  const owners = new Map<unknown, string>(taken);
  const ports = NODE_PORTS.map((port) => ({ ...port, now: valueAt(settings, port.path) ?? port.initial }));
  // A port that somebody moved onto one that stands where it always does is the one to move on.
  ports.sort((one, other) => Number(one.now !== one.initial) - Number(other.now !== other.initial));
  return ports.flatMap(({ path, now }) => {
    const owner = owners.get(now);
    owners.set(now, path.join('.'));
    return owner === undefined
      ? []
      : [{ path, text: `expected another port: ${String(now)} belongs to ${owner}` }];
  });
}
