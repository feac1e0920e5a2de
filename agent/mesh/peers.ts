import type { KnownCard, Link, Member } from '../engine/resources.ts';
import type { Registry } from '../registry/registry.ts';
import { type Claimant, compareClaimants } from './address.ts';
import { endpointOf, keepaliveFor } from './endpoint.ts';
import { isNodeAddress, isServiceAddress, type Range } from './range.ts';

/** A node that WireGuard shall talk to. */
export interface PlannedPeer {
  readonly id: string;
  readonly publicKey: string;
  /** In the mesh. */
  readonly address: string;
  /** Sorted; the address and those of the roles that the node holds, as `IP/32`. */
  readonly allowedIps: readonly string[];
  readonly endpoint: string | undefined;
  /** What the endpoint is by Serf and the card, before roaming; to be given again at the next pass. */
  readonly wanted: string | undefined;
  readonly keepalive: number | undefined;
  /** Serf sees it alive. */
  readonly alive: boolean;
}

/** What WireGuard says of a peer. */
export interface SeenPeer {
  readonly endpoint: string | undefined;
  /** Seconds; undefined when there was no handshake. */
  readonly handshakeAge: number | undefined;
}

export interface PeerInputs {
  readonly ownId: string;
  readonly ownKey: string;
  readonly ownAddress: string;
  readonly range: Range;
  readonly cards: readonly KnownCard[];
  readonly members: readonly Member[];
  readonly registry:
    | (Pick<Registry, 'addresses' | 'holders' | 'evicted'> & Partial<Pick<Registry, 'nodes'>>)
    | undefined;
  readonly links: readonly Link[];
  /** By public key. */
  readonly seen: ReadonlyMap<string, SeenPeer>;
  /** Node id to {@link PlannedPeer.wanted} of the pass before. */
  readonly wantedBefore: ReadonlyMap<string, string | undefined>;
  /** Monotonic. */
  readonly nowMs: number;
}

/** How long a node that said good-bye stays a peer: its last words travel over the mesh too. */
const LEFT_GRACE_MS = 60_000;

/** A card that neither gossip nor the registry answers for is believed this long after its owner showed it. */
const SHOWN_MS = 600_000;

/** WireGuard's REJECT_AFTER_TIME: a session that is older is dead. */
export const FRESH_SECONDS = 180;

const EMPTY = { addresses: {}, holders: [], evicted: [] };

/** The peers of this node, sorted by id: one for each verified card, and no address of two of them. Pure. */
export function planPeers(inputs: PeerInputs): PlannedPeer[] {
  const registry = inputs.registry ?? EMPTY;
  const members = new Map(inputs.members.map((member) => [member.id, member]));
  const accepted = winners(eligible(inputs, members), inputs);
  const services = servicesOf(registry.holders, inputs.range);
  return accepted.map((known) => {
    const { id, meshKey, meshAddress } = known.card;
    const member = members.get(id);
    const wanted = endpointOf(known, member, inputs.links);
    const endpoint = settled(wanted, inputs.seen.get(meshKey), inputs.wantedBefore, id);
    return {
      id,
      publicKey: meshKey,
      address: meshAddress,
      allowedIps: [meshAddress, ...(services.get(id) ?? [])].map((address) => `${address}/32`).sort(),
      endpoint,
      wanted,
      keepalive: keepaliveFor(endpoint, inputs.links),
      alive: member?.status === 'alive',
    };
  });
}

/** Cards of nodes that others than {@link planPeers} may count on: neither evicted nor gone. Pure. */
function eligible(inputs: PeerInputs, members: ReadonlyMap<string, Member>): KnownCard[] {
  const evicted = new Set(inputs.registry?.evicted ?? []);
  const registered = new Set(inputs.registry?.nodes?.map(({ id }) => id));
  return inputs.cards.filter(({ card, provenMs = Number.NEGATIVE_INFINITY }) => {
    const member = members.get(card.id);
    const gone = member?.status === 'left' && inputs.nowMs - member.sinceMs > LEFT_GRACE_MS;
    // Cards are passed on for ever, also those of machines that were reset long ago.
    const forgotten =
      member === undefined &&
      registered.size > 0 &&
      !registered.has(card.id) &&
      inputs.nowMs - provenMs > SHOWN_MS;
    return (
      !gone &&
      !forgotten &&
      !evicted.has(card.id) &&
      card.id !== inputs.ownId &&
      card.meshKey !== inputs.ownKey &&
      card.meshAddress !== inputs.ownAddress &&
      isNodeAddress(inputs.range, card.meshAddress) &&
      isKey(card.meshKey)
    );
  });
}

/** One card for each address and each key: WireGuard would give them to whoever comes last. */
function winners(cards: readonly KnownCard[], { registry }: PeerInputs): KnownCard[] {
  const registered = registry?.addresses ?? {};
  const best = [...cards].sort((a, b) => compareForAll(claimantOf(a), claimantOf(b), registered));
  const taken = new Set<string>();
  const won = best.filter(({ card }) => {
    const owner = registered[card.meshAddress];
    if (owner !== undefined && owner !== card.id) return false;
    if (taken.has(card.meshAddress) || taken.has(card.meshKey)) return false;
    taken.add(card.meshAddress).add(card.meshKey);
    return true;
  });
  return won.sort((a, b) => (a.card.id < b.card.id ? -1 : 1));
}

/** {@link compareClaimants} for claimants of different addresses as well: a total order. */
function compareForAll(a: Claimant, b: Claimant, registered: Readonly<Record<string, string>>): number {
  const [mine, theirs] = [registered[a.address] === a.id, registered[b.address] === b.id];
  if (mine !== theirs) return mine ? -1 : 1;
  return compareClaimants(a, b, {});
}

export function claimantOf({ card }: KnownCard): Claimant {
  return { id: card.id, address: card.meshAddress, established: card.genesis !== undefined };
}

/** Node id to service addresses. Of two holders of one address the later lease has it. */
function servicesOf(holders: Registry['holders'], range: Range): Map<string, string[]> {
  const owners = new Map<string, { id: string; fence: bigint }>();
  for (const { id, address, fence } of holders) {
    if (address === undefined || !isServiceAddress(range, address) || !/^\d{1,20}$/.test(fence)) continue;
    const owner = owners.get(address);
    if (owner === undefined || BigInt(fence) > owner.fence) owners.set(address, { id, fence: BigInt(fence) });
  }
  const services = new Map<string, string[]>();
  for (const [address, { id }] of owners) services.set(id, [...(services.get(id) ?? []), address]);
  return services;
}

/** WireGuard follows a peer that roams; its newer knowledge stands until Serf's changes or the session dies. */
function settled(
  wanted: string | undefined,
  seen: SeenPeer | undefined,
  before: PeerInputs['wantedBefore'],
  id: string,
): string | undefined {
  if (seen?.endpoint === undefined) return wanted;
  const moved = before.has(id) && before.get(id) !== wanted;
  const alive = seen.handshakeAge !== undefined && seen.handshakeAge < FRESH_SECONDS;
  return wanted === undefined || (alive && !moved) ? seen.endpoint : wanted;
}

/** Canonical base64 of 32 bytes: it goes into a file for `wg`. */
function isKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{43}=$/.test(text) && Buffer.from(text, 'base64').toString('base64') === text;
}
