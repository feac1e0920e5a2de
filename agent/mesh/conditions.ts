import type { FoundCondition } from '../engine/controller.ts';
import type { Link } from '../engine/resources.ts';
import type { PlannedPeer } from './peers.ts';
import { inRange, type Range } from './range.ts';

const SHOWN = 5;

/** A LAN inside the mesh's range: the kernel could send to one or to the other only. Pure. */
export function rangeConflict(
  links: readonly Link[],
  own: string,
  range: Range,
  text: string,
): FoundCondition | undefined {
  for (const { name, addresses } of links) {
    const inside = addresses.find(({ address }) => name !== own && inRange(range, address));
    if (inside === undefined) continue;
    return {
      code: 'mesh.range-conflict',
      state: 'misconfigured',
      summary: `the address ${inside.address} of ${name} lies in the mesh's range ${text}`,
      endedBy: 'set mesh.range to a private range that no LAN uses, on all nodes alike',
    };
  }
  return undefined;
}

export function rangeFull(text: string): FoundCondition {
  return {
    code: 'mesh.range-full',
    state: 'misconfigured',
    summary: `every address that this node tried in the mesh's range ${text} belongs to another node`,
    endedBy: 'set mesh.range to a larger range, on all nodes alike',
  };
}

/** Nodes that Serf sees and WireGuard does not. Pure. */
export function unreachablePeers(
  peers: readonly PlannedPeer[],
  nameOf: (id: string) => string,
): FoundCondition[] {
  if (peers.length === 0) return [];
  const shown = peers.slice(0, SHOWN).map(({ id, endpoint }) => `${nameOf(id)} at ${endpoint ?? '?'}`);
  const more = peers.length > SHOWN ? [`and ${peers.length - SHOWN} more`] : [];
  const ports = [...new Set(peers.map(({ endpoint }) => endpoint?.slice(endpoint.lastIndexOf(':') + 1)))];
  return [
    {
      code: 'mesh.unreachable',
      state: 'waiting',
      summary: `waiting for ${peers.length === 1 ? 'a node' : `${peers.length} nodes`} to answer in the mesh: ${[...shown, ...more].join(', ')}`,
      evidence: 'gossip reaches them, WireGuard has had no handshake for more than 30 s',
      endedBy: `let UDP port ${ports.join(', ')} through between these machines (firewalls, switches); both must also hold each other's card`,
    },
  ];
}
