/** An IPv4 network, as numbers. */
export interface Range {
  /** The network's first address. */
  readonly first: number;
  /** Bits of the network. */
  readonly prefix: number;
  /** Addresses in it, network and broadcast included. */
  readonly size: number;
}

/**
 * @param text such as `10.42.0.0/16`, /8 to /24
 * @throws RangeError for anything else: the settings have been checked before
 */
export function parseRange(text: string): Range {
  const [address = '', bits = ''] = text.split('/');
  const first = parseIPv4(address);
  const prefix = Number(bits);
  const size = 2 ** (32 - prefix);
  if (first === undefined || !/^\d{1,2}$/.test(bits) || prefix < 8 || prefix > 24 || first % size !== 0) {
    throw new RangeError(`${text} is no IPv4 range between /8 and /24`);
  }
  return { first, prefix, size };
}

/** The address as a number, or undefined when it is not four decimal numbers. */
export function parseIPv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = match.slice(1).map(Number);
  if (bytes.some((byte, index) => byte > 255 || String(byte) !== match[index + 1])) return undefined;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

export function formatIPv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** Does the address lie in the range? */
export function inRange(range: Range, address: string): boolean {
  const number = parseIPv4(address);
  return number !== undefined && number >= range.first && number < range.first + range.size;
}

/** How many addresses at the range's end are kept for services: the last /24, or 16 of a /24. */
function serviceBlockSize(range: Range): number {
  return range.prefix < 24 ? 256 : 16;
}

/** Where the service addresses begin. */
export function serviceBlockStart(range: Range): number {
  return range.first + range.size - serviceBlockSize(range);
}

/** May a node have this address: in the range, neither the network's own nor a service's? */
export function isNodeAddress(range: Range, address: string): boolean {
  const number = parseIPv4(address);
  return number !== undefined && number > range.first && number < serviceBlockStart(range);
}

/** May a service have this address? The block's ends are the network's and broadcast. */
export function isServiceAddress(range: Range, address: string): boolean {
  const number = parseIPv4(address);
  return number !== undefined && number > serviceBlockStart(range) && number < range.first + range.size - 1;
}

/**
 * The n-th address that moves with a role: 10.42.255.1 for 1 in 10.42.0.0/16.
 *
 * @param n from 1 to 254, or to 14 in a /24
 * @throws RangeError
 */
export function serviceAddress(range: string, n: number): string {
  const parsed = parseRange(range);
  if (!Number.isInteger(n) || n < 1 || n > serviceBlockSize(parsed) - 2) {
    throw new RangeError(`${range} has no service address ${n}`);
  }
  return formatIPv4(serviceBlockStart(parsed) + n);
}

/** Is the address inside `network/prefix`? False for anything that is not IPv4. */
export function inNetwork(address: string, network: string, prefix: number): boolean {
  const one = parseIPv4(address);
  const other = parseIPv4(network);
  if (one === undefined || other === undefined) return false;
  const size = 2 ** (32 - prefix);
  return Math.floor(one / size) === Math.floor(other / size);
}

/** RFC 1918 and RFC 6598: addresses that are behind a translator when they talk to the outside. */
export function isPrivate(address: string): boolean {
  return (
    inNetwork(address, '10.0.0.0', 8) ||
    inNetwork(address, '172.16.0.0', 12) ||
    inNetwork(address, '192.168.0.0', 16) ||
    inNetwork(address, '100.64.0.0', 10)
  );
}
