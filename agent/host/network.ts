import * as os from 'node:os';

export interface Address {
  readonly interface: string;
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
}

/** Addresses that another machine could use: neither loopback nor IPv6 link-local. Sorted, so that it compares. */
export function addresses(): Address[] {
  const found: Address[] = [];
  for (const [name, list] of Object.entries(os.networkInterfaces())) {
    for (const { address, family, internal } of list ?? []) {
      if (internal || /^fe[89ab]/i.test(address)) continue;
      found.push({ interface: name, address, family });
    }
  }
  const key = (entry: Address) => `${entry.interface} ${entry.family} ${entry.address}`;
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

export function hostname(): string {
  return os.hostname();
}
