import type { Settings } from '../config/settings.ts';

export const TABLE = 'inet clusteros';

type FirewallSettings = Pick<Settings, 'gossip' | 'discovery' | 'mesh' | 'firewall'>;

/**
 * The rules of a node: everything from the mesh, and from the LAN only what a cluster needs to find itself and an
 * administrator to log in. One table of our own, so that other tables stay as they are; forwarding is not touched.
 *
 * The text replaces the table in one transaction: `add` makes `delete` succeed when there is none. See nft(8). Pure.
 */
export function renderFirewall({ gossip, discovery, mesh, firewall }: FirewallSettings): string {
  const lan = [
    accept('tcp', '22', 'SSH'),
    accept('tcp', String(gossip.port), 'gossip'),
    accept('udp', String(gossip.port), 'gossip'),
    accept('tcp', String(discovery.port), 'cards'),
    accept('udp', String(discovery.port), 'beacon'),
    accept('udp', '5353', 'beacon over mDNS'),
    accept('udp', String(mesh.port), 'WireGuard'),
    ...[...new Set(firewall.open)].sort().map((entry) => {
      const [protocol = '', port = ''] = entry.split('/');
      return accept(protocol, port, 'firewall.open');
    }),
  ];
  return `add table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname "lo" accept
		iifname "${mesh.interface}" accept
		meta l4proto icmp icmp type echo-request limit rate 50/second burst 50 packets accept
		meta l4proto icmp icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
		meta l4proto ipv6-icmp icmpv6 type echo-request limit rate 50/second burst 50 packets accept
		meta l4proto ipv6-icmp icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, mld-listener-query, mld-listener-report, mld-listener-done, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
		ip protocol igmp accept
		udp sport 67 udp dport 68 accept comment "DHCP"
		udp sport 547 udp dport 546 accept comment "DHCPv6"
${lan.map((rule) => `\t\t${rule}\n`).join('')}	}
}
`;
}

function accept(protocol: string, port: string, comment: string): string {
  return `${protocol} dport ${port} accept comment "${comment}"`;
}
