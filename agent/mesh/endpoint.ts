import type { KnownCard, Link, Member } from '../engine/resources.ts';
import { inNetwork, isPrivate, parseIPv4 } from './range.ts';

/** Seconds after which the translators of home routers forget a UDP flow, with some reserve. */
const KEEPALIVE_SECONDS = 25;

/**
 * Where a node is on the LAN: where Serf sees it, else where the peer channel proved it, else the best that its
 * card says. Pure.
 *
 * @returns `IP:port` in the form that `wg` prints, or undefined when nothing is known
 */
export function endpointOf(
  known: KnownCard,
  member: Member | undefined,
  links: readonly Link[],
): string | undefined {
  const seen =
    member !== undefined && ['alive', 'failed'].includes(member.status) ? member.address : undefined;
  const { addresses, ports } = known.card;
  const near = addresses.find((address) => isNear(address, links));
  for (const address of [seen, known.address, near, ...addresses]) {
    const host = address === undefined ? undefined : hostOf(address);
    if (host !== undefined) return `${host}:${ports.mesh}`;
  }
  return undefined;
}

/**
 * Seconds between signs of life to the peer, or undefined. Needed only where a translator may stand between us:
 * our addresses are private, and the peer is not in our own networks. Pure.
 */
export function keepaliveFor(endpoint: string | undefined, links: readonly Link[]): number | undefined {
  if (endpoint === undefined) return undefined;
  const host = endpoint.slice(0, endpoint.lastIndexOf(':'));
  if (parseIPv4(host) === undefined || isNear(host, links)) return undefined;
  const own = links.flatMap(({ addresses }) => addresses).filter(({ family }) => family === 'IPv4');
  return own.length > 0 && own.every(({ address }) => isPrivate(address)) ? KEEPALIVE_SECONDS : undefined;
}

function isNear(address: string, links: readonly Link[]): boolean {
  return links.some((link) =>
    link.addresses.some((own) => own.family === 'IPv4' && inNetwork(address, own.address, own.prefix)),
  );
}

/** IPv4 as it is, IPv6 canonical and in brackets; undefined for a name, a zone or nonsense. */
function hostOf(address: string): string | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  if (parseIPv4(mapped) !== undefined) return mapped;
  if (!/^[0-9a-fA-F:]{2,39}$/.test(address) || /^fe[89ab]/i.test(address)) return undefined;
  // The WHATWG parser writes IPv6 as RFC 5952 does, and so does wg.
  return URL.parse(`http://[${address}]/`)?.hostname;
}
