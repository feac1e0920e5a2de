/** An IPv4 network: first address as a 32-bit number, and length of its prefix. */
export interface Network {
  readonly first: number;
  readonly prefix: number;
}

/** `10.42.0.0/16` as a network; undefined for anything else, also when bits are set behind the prefix. */
export function networkOf(text: string): Network | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = match.slice(1).map(Number);
  if ([a, b, c, d].some((part) => part > 255) || prefix > 32) return undefined;
  const first = ((a * 256 + b) * 256 + c) * 256 + d;
  return first % 2 ** (32 - prefix) === 0 ? { first, prefix } : undefined;
}

export function overlap(one: Network, other: Network): boolean {
  const prefix = Math.min(one.prefix, other.prefix);
  const block = 2 ** (32 - prefix);
  return Math.floor(one.first / block) === Math.floor(other.first / block);
}
