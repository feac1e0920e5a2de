import { settingsSchema } from '../agent/config/settings.ts';
import { readKey } from '../agent/identity/cluster-key.ts';
import { describe, dotted, shown } from '../settings/mistakes.ts';
import { networkMistakes } from '../settings/network-config.ts';
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

function checkNetwork(network: Readonly<Record<string, unknown>>): string[] {
  const mistakes = networkMistakes(network).map((it) => describe('', dotted(['network', ...it.path]), it));
  const { ethernets } = network;
  const none = typeof ethernets === 'object' && ethernets !== null && Object.keys(ethernets).length === 0;
  return none ? [...mistakes, 'network.ethernets: expected at least one interface'] : mistakes;
}

/** The agent is strict about its settings: what it would refuse is refused here. */
function checkSettings({ clusterName, expect, join }: SeedInput): string[] {
  const result = settingsSchema.safeParse({
    cluster: { name: clusterName },
    consensus: expect === undefined ? {} : { expect },
    discovery: { join },
  });
  if (result.success) return [];
  return result.error.issues.map(({ path, message }) => {
    const found = path[1] === 'join' ? join[Number(path[2])] : undefined;
    return `${dotted(path)}: ${message}${found === undefined ? '' : `, found ${shown(found)}`}`;
  });
}
