import type { Contact } from '../engine/resources.ts';
import type { ServiceTarget } from '../host/dns.ts';
import { ipVersion } from './ip.ts';

/** One entry of `discovery.join`, or the SRV name of `discovery.dns`. */
export interface Join {
  /** As it was written. */
  readonly text: string;
  readonly via: 'join' | 'dns';
  readonly host: string;
  readonly port: number;
}

/** How the resolving of one entry goes. */
export interface JoinState {
  readonly failures: number;
  /** Monotonic ms before which it is left alone. */
  readonly nextMs: number;
  /** Why it failed the last time. */
  readonly error?: string | undefined;
}

export interface Resolver {
  addressesOf(host: string, timeoutMs: number): Promise<string[]>;
  serviceTargets(name: string, timeoutMs: number): Promise<ServiceTarget[]>;
}

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
/** Names that resolved may lead elsewhere later. */
const AGAIN_MS = 60_000;
const RESOLVE_MS = 6_000;
const MOST_TARGETS = 32;

/**
 * The entries of `discovery.join` and `discovery.dns`. An entry with gossip's port means the machine: people
 * know that port from Serf, and it is the peer channel's that is asked here. Pure.
 */
export function joinsOf(
  discovery: { readonly join: readonly string[]; readonly dns?: string | undefined; readonly port: number },
  gossipPort: number,
): Join[] {
  const joins = discovery.join.map((text): Join => {
    const { host, port } = splitAddress(text);
    return {
      text,
      via: 'join',
      host,
      port: port === undefined || port === gossipPort ? discovery.port : port,
    };
  });
  if (discovery.dns === undefined) return joins;
  return [...joins, { text: discovery.dns, via: 'dns', host: discovery.dns, port: discovery.port }];
}

/** `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address. Pure. */
export function splitAddress(text: string): { readonly host: string; readonly port?: number } {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const plain = bracketed ?? (ipVersion(text) === 6 ? null : /^([^:]+)(?::(\d+))?$/.exec(text));
  const [, host = text, port] = plain ?? [];
  return port === undefined ? { host } : { host, port: Number(port) };
}

/** What becomes of an entry after it was resolved or not; `random` in [0, 1) spreads the load. Pure. */
export function afterResolving(
  before: JoinState | undefined,
  error: string | undefined,
  nowMs: number,
  random: number,
): JoinState {
  const spread = 0.75 + random / 2;
  if (error === undefined) return { failures: 0, nextMs: nowMs + AGAIN_MS * spread };
  const failures = (before?.failures ?? 0) + 1;
  const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return { failures, nextMs: nowMs + pause * spread, error };
}

/** Where an entry leads now. @throws an Error whose `code` says why not */
export async function resolveJoin(
  join: Join,
  resolver: Resolver,
): Promise<Pick<Contact, 'address' | 'peerPort'>[]> {
  const targets: readonly ServiceTarget[] =
    join.via === 'dns'
      ? (await resolver.serviceTargets(join.host, RESOLVE_MS)).slice(0, MOST_TARGETS)
      : [{ host: join.host, port: join.port }];
  const found: Pick<Contact, 'address' | 'peerPort'>[] = [];
  let failure: unknown;
  for (const { host, port } of targets) {
    try {
      const addresses = ipVersion(host) > 0 ? [host] : await resolver.addressesOf(host, RESOLVE_MS);
      for (const address of addresses.slice(0, MOST_TARGETS)) found.push({ address, peerPort: port });
    } catch (error) {
      failure = error;
    }
  }
  if (found.length === 0 && failure !== undefined) throw failure;
  return found;
}
