/**
 * What a seed's network-config may say: what cloud-init's renderer for systemd-networkd carries out on every base.
 * It knows a small part of netplan's version 2, and drops the rest without a word: read in its source and run, 22.4.2
 * (Debian 12) to 25.1.4 (Debian 13): cloudinit/net/networkd.py, network_state.py.
 */
import * as z from 'zod';
import { keysBelow } from './check.ts';
import { type Mistake, mistakesOf, nearestWord, valueAt } from './mistakes.ts';

const interfaceName = z
  .string()
  .regex(/^[^\s/:*?[\]]{1,15}$/, 'expected the name of an interface, such as enp1s0');
const address = z.union([z.ipv4(), z.ipv6()], 'expected an IP address');
const network = z.union(
  [z.cidrv4(), z.cidrv6()],
  'expected an address with its prefix, such as 192.168.1.10/24',
);

const dhcpOverrides = z.strictObject({
  'use-dns': z.boolean().optional(),
  'use-domains': z.union([z.boolean(), z.literal('route')]).optional(),
  'use-hostname': z.boolean().optional(),
  'use-ntp': z.boolean().optional(),
});

const dhcp4Overrides = dhcpOverrides.extend({
  'send-hostname': z.boolean().optional(),
  hostname: z.string().optional(),
  'route-metric': z.int().min(0).optional(),
  'use-mtu': z.boolean().optional(),
  'use-routes': z.boolean().optional(),
});

const route = z.strictObject({
  to: z
    .union(
      [z.cidrv4(), z.cidrv6()],
      'expected a network, such as 10.0.0.0/8; 0.0.0.0/0 or ::/0 in place of default',
    )
    .describe('network; 0.0.0.0/0 or ::/0 for everything'),
  via: address.optional(),
  metric: z.int().min(0).optional(),
});

const ethernet = z
  .strictObject({
    match: z
      .strictObject({
        macaddress: z
          .string()
          .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, 'expected an address such as 52:54:00:12:34:56'),
      })
      .optional(),
    'set-name': interfaceName.optional(),
    dhcp4: z.boolean().optional(),
    dhcp6: z.boolean().optional(),
    'dhcp4-overrides': dhcp4Overrides.optional(),
    'dhcp6-overrides': dhcpOverrides.optional(),
    'accept-ra': z.boolean().optional(),
    addresses: z.array(network).optional(),
    gateway4: z.ipv4().optional(),
    gateway6: z.ipv6().optional(),
    nameservers: z
      .strictObject({ addresses: z.array(address).optional(), search: z.array(z.string()).optional() })
      .optional(),
    routes: z.array(route).optional(),
    mtu: z.int().min(576).max(65_535).optional(),
    optional: z.boolean().optional(),
  })
  .superRefine((it, context) => {
    const say = (message: string, ...path: (string | number)[]) =>
      context.addIssue({ code: 'custom', message, path, params: { secret: true } });
    const { addresses = [], routes = [], gateway4, gateway6 } = it;
    const dhcp = it.dhcp4 === true || it.dhcp6 === true;
    if (it.match !== undefined && it['set-name'] === undefined)
      say('expected set-name beside it, such as set-name: lan0', 'match', 'macaddress');
    if (it['set-name'] !== undefined && it.match === undefined)
      say('expected match: {macaddress: ...} beside it', 'set-name');
    if ([it.dhcp4, it.dhcp6, it.addresses, it['accept-ra']].every((value) => value === undefined))
      say('expected dhcp4, dhcp6 or addresses: without any it gets no address');
    if (routes.length > 0 && !dhcp && addresses.length === 0)
      say('expected addresses or DHCP beside it', 'routes');
    if (gateway4 !== undefined && !addresses.some((one) => one.includes('.')))
      say('expected an IPv4 address beside it', 'gateway4');
    if (gateway6 !== undefined && !addresses.some((one) => one.includes(':')))
      say('expected an IPv6 address beside it', 'gateway6');
    const reachable = (via: string | undefined) =>
      via === undefined || via.includes(':') || dhcp || addresses.some((one) => holds(one, via));
    if (!reachable(gateway4)) say(UNREACHABLE, 'gateway4');
    for (const [index, { via }] of routes.entries())
      if (!reachable(via)) say(UNREACHABLE, 'routes', index, 'via');
  });

const UNREACHABLE = 'expected an address in a network of this interface; cloud-init cannot say on-link';

/** `network-config` of version 2. */
export const networkSchema = z.strictObject({
  version: z.literal(2),
  renderer: z.literal('networkd').optional(),
  ethernets: z.record(interfaceName, ethernet),
});

/** Known to netplan, and dropped by cloud-init. */
const DEVICES = [
  ...['vlans', 'bonds', 'bridges', 'wifis', 'modems', 'tunnels', 'vrfs'],
  ...['dummy-devices', 'virtual-ethernets', 'nm-devices', 'openvswitch', 'sr-iov'],
];
const DROPPED = [
  ...[
    'routing-policy',
    'wakeonlan',
    'macaddress',
    'link-local',
    'dhcp-identifier',
    'ipv6-privacy',
    'driver',
    'name',
  ],
  ...[
    'on-link',
    'table',
    'scope',
    'type',
    'from',
    'mtu',
    'critical',
    'emit-lldp',
    'activation-mode',
    'ignore-carrier',
  ],
  ...['ipv6-mtu', 'ipv6-address-generation', 'optional-addresses', 'auth', 'use-domains', 'route-metric'],
];

/** What is wrong with a network-config that was read elsewhere. */
export function networkMistakes(value: unknown): Mistake[] {
  const issues = networkSchema.safeParse(value).error?.issues ?? [];
  const keysAt = (path: readonly PropertyKey[]) => keysBelow(networkSchema, path);
  return mistakesOf(issues, value, { keysAt, showFound: false }).map(saidOfNetwork);
}

/** Say of what netplan knows that it is not carried out, instead of that it is unknown. */
export function saidOfNetwork(mistake: Mistake): Mistake {
  const key = String(mistake.path.at(-1));
  if (!mistake.text.startsWith('unknown key')) return mistake;
  if (key === 'network') return { path: mistake.path, text: 'what stands below it belongs to the top' };
  const own = DEVICES.includes(key) || (DROPPED.includes(key) && !isInterface(mistake.path));
  if (!own) return mistake;
  return {
    path: mistake.path,
    text: DROPPED_TEXT,
  };
}

const DROPPED_TEXT =
  'cloud-init drops it without a word; write it as a unit of systemd-networkd (files: in cluster.yaml)';

/** What the same renderer carries out of the older form, in which a list says what there is. */
const OLDER: Readonly<Record<string, readonly string[]>> = {
  physical: ['type', 'name', 'mac_address', 'mtu', 'accept-ra', 'subnets'],
  loopback: ['type', 'name', 'subnets'],
  nameserver: ['type', 'address', 'search', 'interface'],
  route: ['type', 'id', 'destination', 'network', 'netmask', 'gateway', 'metric'],
};
const OLDER_SUBNET = [
  ...['type', 'control', 'address', 'netmask', 'prefix', 'broadcast', 'gateway'],
  ...['dns_nameservers', 'dns_search', 'routes', 'ipv4', 'ipv6'],
];

/** What is wrong with a network-config of version 1. */
export function olderNetworkMistakes(value: unknown): Mistake[] {
  const config = valueAt(value, ['config']);
  if (config === 'disabled') return [];
  if (!Array.isArray(config)) return [{ path: ['config'], text: 'expected a list' }];
  return config.flatMap((entry: unknown, index): Mistake[] => {
    const path = ['config', index];
    const type = valueAt(entry, ['type']);
    const known = typeof type === 'string' ? OLDER[type] : undefined;
    if (known === undefined) return [{ path: [...path, 'type'], text: DROPPED_TEXT }];
    const subnets = valueAt(entry, ['subnets']);
    const below = (Array.isArray(subnets) ? subnets : []).flatMap((subnet, at) =>
      unknownKeys([...path, 'subnets', at], subnet, OLDER_SUBNET),
    );
    return [...unknownKeys(path, entry, known), ...below];
  });
}

/** The keys of a map that are not among those that are known. */
export function unknownKeys(
  path: readonly PropertyKey[],
  value: unknown,
  known: readonly string[],
): Mistake[] {
  return Object.keys(typeof value === 'object' && value !== null ? value : {})
    .filter((key) => !known.includes(key))
    .map((key) => ({ path: [...path, key], text: 'unknown key', nearest: nearestWord(key, known) }));
}

function isInterface(path: readonly PropertyKey[]): boolean {
  return path.at(-2) === 'ethernets';
}

/** IPv4 only. @param network `192.168.1.10/24` */
function holds(network: string, address: string): boolean {
  const [first = '', bits = '32'] = network.split('/');
  if (first.includes(':') || address.includes(':')) return false;
  const block = 2 ** (32 - Number(bits));
  return Math.floor(numberOf(first) / block) === Math.floor(numberOf(address) / block);
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
