import { settingsSchema } from '../agent/config/settings.ts';
import { readKey } from '../agent/identity/cluster-key.ts';
import { NO_LOGIN_BY_CERTIFICATE, readPublicKey } from '../settings/ssh-keys.ts';
import type { SeedInput } from './seed.ts';

/** What is wrong with the values of a seed: all of it. Empty when nothing is. Never repeats a secret. */
export function checkSeed(input: SeedInput): string[] {
  const reason = input.clusterKey === undefined ? undefined : readKey(input.clusterKey).reason;
  return [
    ...(input.hostname === undefined ? [] : checkHostname(input.hostname)),
    ...(/^[a-z_][a-z0-9_-]{0,30}$/.test(input.user) && input.user !== 'root'
      ? []
      : [`user ${shown(input.user)}: expected small letters, digits, - and _, and not root`]),
    ...input.authorizedKeys.flatMap(checkPublicKey),
    ...(/^[A-Z][\w+-]*(\/[\w+-]+){0,2}$/.test(input.timezone)
      ? []
      : [`time zone ${shown(input.timezone)}: expected a name such as Europe/Berlin`]),
    ...(reason === undefined ? [] : [`cluster key: ${reason}`]),
    ...(input.network === 'dhcp' ? [] : checkNetwork(input.network)),
    ...checkSettings(input),
  ];
}

/** RFC 1123 label. */
function checkHostname(name: string): string[] {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
    ? []
    : [`host name ${shown(name)}: expected small letters, digits and inner dashes, 63 at most`];
}

/** By its place in the list: what is no key may be anybody's secret, and is not shown. */
function checkPublicKey(line: string, index: number): string[] {
  const reading = readPublicKey(line);
  if ('mistake' in reading) return [`SSH key ${index + 1}: ${reading.mistake}`];
  return 'certificate' in reading ? [`SSH key ${index + 1}: ${NO_LOGIN_BY_CERTIFICATE}`] : [];
}

/**
 * What cloud-init's networkd renderer cannot do, though netplan can: found by running 22.4 and 25.1. It takes
 * the key of an interface for its name whatever `match` says, and dies of a route `to: default`.
 */
function checkNetwork(network: Readonly<Record<string, unknown>>): string[] {
  const mistakes: string[] = [];
  const interfaces = isMap(network.ethernets) ? Object.entries(network.ethernets) : [];
  if (!isMap(network.ethernets) || interfaces.length === 0) {
    mistakes.push('network: expected interfaces below ethernets');
  }
  for (const [name, value] of interfaces) {
    const where = `network.ethernets.${name}`;
    if (!isMap(value)) {
      mistakes.push(`${where}: expected a map`);
      continue;
    }
    const match = isMap(value.match) ? value.match : {};
    if ('name' in match) {
      mistakes.push(`${where}.match.name: cloud-init does not look at it; name the interface by the key`);
    }
    if ('macaddress' in match && !('set-name' in value)) {
      mistakes.push(`${where}.match.macaddress: needs set-name too, such as set-name: lan0`);
    }
    const routes = Array.isArray(value.routes) ? value.routes : [];
    if (routes.some((route) => isMap(route) && route.to === 'default')) {
      mistakes.push(`${where}.routes: expected 0.0.0.0/0 or ::/0 in place of default`);
    }
  }
  return mistakes;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The agent is strict about its settings: what it would refuse is refused here. */
function checkSettings({ clusterName, expect, join }: SeedInput): string[] {
  const result = settingsSchema.safeParse({
    cluster: { name: clusterName },
    consensus: expect === undefined ? {} : { expect },
    discovery: { join },
  });
  if (result.success) return [];
  return result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

function shown(text: string): string {
  const short = text.length > 40 ? `${text.slice(0, 37)}...` : text;
  return JSON.stringify(short);
}
