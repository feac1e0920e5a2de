import type { Controller, Outcome } from '../engine/controller.ts';
import type { Link, LinkAddress } from '../engine/resources.ts';
import type { Interface } from '../host/links.ts';
import { links as gateway } from '../host.ts';
import { broadcastOf, isUsable } from './ip.ts';

/** How long a changed address may go unnoticed. */
const LOOK_MS = 2_000;

/**
 * Interfaces by which no LAN is reached, by name: tunnels, and the bridges and ends of containers and virtual
 * machines. A name is a convention, but the only mark that holds everywhere: Docker's bridge and a real LAN's
 * look alike otherwise. `br0` and `bond0` stay in: administrators put LANs on them.
 */
const NOT_A_LAN =
  /^(lo|(wg|tun|tap|veth|vnet|virbr|docker|podman|cni|flannel|cilium|cali|lxc|lxdbr|kube-|nerdctl|tailscale|dummy|ifb|sit|ip6tnl|gre).*|br-[0-9a-f]{12})$/;

/** Writes `links`: the interfaces that lead to a LAN, looked at every two seconds. */
export function linksController(deps: { readonly interfaces?: () => readonly Interface[] } = {}): Controller {
  const interfaces = deps.interfaces ?? gateway.interfaces;
  return {
    name: 'links',
    inputs: ['facts'],
    outputs: ['links'],
    whileHalted: true,
    reconcile: async (view): Promise<Outcome> => {
      const mesh = view.get('facts')?.settings.settings?.mesh.interface ?? 'wg0';
      const found = interfaces();
      const links = lanLinks(found, mesh);
      return {
        outputs: { links },
        conditions: links.length > 0 ? [] : [noLink(found)],
        againMs: LOOK_MS,
      };
    },
  };
}

/** The interfaces that lead to a LAN, with the addresses that others can use. Pure. */
export function lanLinks(interfaces: readonly Interface[], meshInterface: string): Link[] {
  return interfaces
    .filter(({ name, internal }) => !internal && name !== meshInterface && !NOT_A_LAN.test(name))
    .map(({ name, index, mac, multicast, addresses }) => ({
      name,
      index,
      mac,
      multicast,
      addresses: addresses
        .filter(({ address }) => isUsable(address))
        .map(
          ({ family, address, prefix }): LinkAddress => ({
            family,
            address,
            prefix,
            broadcast: family === 'IPv4' ? broadcastOf(address, prefix) : undefined,
          }),
        )
        .sort(byUse),
    }))
    .filter(({ addresses }) => addresses.length > 0);
}

/** IPv4 first, which most LANs speak. Otherwise by text, so that an order means nothing. */
function byUse(a: LinkAddress, b: LinkAddress): number {
  if (a.family !== b.family) return a.family === 'IPv4' ? -1 : 1;
  return a.address < b.address ? -1 : 1;
}

function noLink(found: readonly Interface[]) {
  const seen = found.filter(({ internal }) => !internal).map(({ name }) => name);
  return {
    code: 'link.none',
    state: 'waiting' as const,
    summary: 'waiting for a network: no interface has an address that others can reach',
    evidence: seen.length > 0 ? `only ${seen.join(', ')}, by which no LAN is reached` : undefined,
    endedBy: 'plug in the network cable; if it is plugged in, look at: ip address; networkctl status',
  };
}
