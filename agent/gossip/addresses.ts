/** An IP address as a number. */
interface Ip {
  readonly family: 'IPv4' | 'IPv6';
  readonly value: bigint;
}

/** The same few hundred addresses are compared again and again, whenever a beacon is heard. */
const parsed = new Map<string, Ip | undefined>();
const PARSED_MOST = 4_096;

/** @returns undefined for what is no IP address; zones (`%eth0`) are none of an address */
export function parseIp(text: string): Ip | undefined {
  if (parsed.has(text)) return parsed.get(text);
  if (parsed.size >= PARSED_MOST) parsed.clear();
  const ip = parse(text);
  parsed.set(text, ip);
  return ip;
}

function parse(text: string): Ip | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (four !== undefined) {
    if (four.some((byte) => byte > 255)) return undefined;
    return { family: 'IPv4', value: four.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) };
  }
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(text) || !text.includes(':')) return undefined;
  // The URL parser knows all spellings and writes the shortest one without dots.
  const url = URL.parse(`http://[${text}]`);
  if (url === null) return undefined;
  const [left = '', right] = url.hostname.slice(1, -1).split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const [before, after] = [groups(left), groups(right)];
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return {
    family: 'IPv6',
    value: all.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n),
  };
}

/** Is it in the network of the address with that many bits? */
export function sameNetwork(one: string, other: string, prefix: number): boolean {
  const [a, b] = [parseIp(one), parseIp(other)];
  if (a === undefined || b === undefined || a.family !== b.family) return false;
  const bits = a.family === 'IPv4' ? 32 : 128;
  const shift = BigInt(Math.max(0, bits - prefix));
  return a.value >> shift === b.value >> shift;
}

export function sameAddress(one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [parseIp(one), parseIp(other)];
  return a !== undefined && b !== undefined && a.family === b.family && a.value === b.value;
}

/** `10.0.0.1:80` or `[fd00::1]:80` */
export function withPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
