import * as z from 'zod';

const v4 = z.ipv4();
const v6 = z.ipv6();

/** 4 or 6 for the text of an IP address, else 0. Pure. */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (text.length > 45) return 0;
  if (v4.safeParse(text).success) return 4;
  return text.includes(':') && v6.safeParse(text).success ? 6 : 0;
}

/**
 * Can another machine use it as our address? Neither loopback, unspecified, multicast, nor IPv6 link-local (it
 * says nothing without an interface). IPv4 link-local addresses count: a LAN without DHCP has no others. Pure.
 */
export function isUsable(text: string): boolean {
  const version = ipVersion(text);
  if (version === 4) {
    const [first = 0] = text.split('.').map(Number);
    return first !== 0 && first !== 127 && first < 224;
  }
  if (version !== 6) return false;
  const lower = text.toLowerCase();
  if (/^[0:]*$/.test(lower) || /^[0:]*:0*1$/.test(lower)) return false;
  return !/^(fe[89ab]|ff|(0*:)*(0*:)?:?ffff:)/.test(lower);
}

/** An IPv4 address as a number of 32 bits; undefined for anything else. Pure. */
export function numberOf(address: string): number | undefined {
  if (!v4.safeParse(address).success) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** Is an IPv4 address in the network of another with so many bits? Pure. */
export function inNetwork(address: string, network: string, prefix: number): boolean {
  const left = numberOf(address);
  const right = numberOf(network);
  if (left === undefined || right === undefined || prefix < 0 || prefix > 32) return false;
  return prefix === 0 || left >>> (32 - prefix) === right >>> (32 - prefix);
}

/** The address by which all of an IPv4 network hear; undefined where there is none. Pure. */
export function broadcastOf(address: string, prefix: number): string | undefined {
  const value = numberOf(address);
  if (value === undefined || prefix > 30 || prefix < 1) return undefined;
  const all = (value | (0xffffffff >>> prefix)) >>> 0;
  return [all >>> 24, (all >>> 16) & 255, (all >>> 8) & 255, all & 255].join('.');
}
