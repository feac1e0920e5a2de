import { readFileSync } from 'node:fs';
import * as os from 'node:os';

interface InterfaceAddress {
  readonly family: 'IPv4' | 'IPv6';
  readonly address: string;
  /** Bits of the network. */
  readonly prefix: number;
}

export interface Interface {
  readonly name: string;
  /** The kernel's number; 0 when it could not be learned. */
  readonly index: number;
  readonly mac: string;
  readonly internal: boolean;
  readonly multicast: boolean;
  readonly addresses: readonly InterfaceAddress[];
}

/** Flags of an interface, if.h */
const IFF_MULTICAST = 0x1000;

/** All interfaces that are up and have an address, by name. */
export function interfaces(): Interface[] {
  const numbers = interfaceNumbers();
  return Object.entries(os.networkInterfaces())
    .map(([name, list = []]) => ({
      name,
      index: numbers.get(name) ?? 0,
      mac: list[0]?.mac ?? '00:00:00:00:00:00',
      internal: list.every(({ internal }) => internal),
      multicast: isMulticast(name, list[0]?.mac),
      addresses: list.map(({ family, address, cidr }) => ({
        family,
        address,
        prefix: Number(cidr?.split('/')[1] ?? (family === 'IPv4' ? 32 : 128)),
      })),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** From /proc/net, which shows our own network namespace even where /sys is another's. */
function interfaceNumbers(): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const line of readText('/proc/net/igmp').split('\n')) {
    const [, index, name] = /^(\d+)\s+(\S+)\s*:/.exec(line) ?? [];
    if (name !== undefined) numbers.set(name, Number(index));
  }
  return numbers;
}

/** Believed unless /sys, of the same namespace by its MAC, says otherwise: a wrong yes costs a warning only. */
function isMulticast(name: string, mac: string | undefined): boolean {
  const folder = `/sys/class/net/${name}`;
  const flags = Number(readText(`${folder}/flags`).trim() || Number.NaN);
  if (Number.isNaN(flags) || readText(`${folder}/address`).trim() !== mac) return true;
  return (flags & IFF_MULTICAST) !== 0;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Not there: the interface has just gone, or the system has no such file.
    return '';
  }
}
