import type { Contact, KnownCard, Link, Member } from '../engine/resources.ts';
import { parseIp, sameAddress, sameNetwork } from './addresses.ts';

export interface AdvertiseInput {
  readonly ownId: string;
  readonly links: readonly Link[];
  readonly contacts: readonly Contact[];
  readonly cards: readonly KnownCard[];
  readonly members: readonly Member[];
  /** What we told so far. */
  readonly current: string | undefined;
  readonly nowMs: number;
}

type Advertise =
  | { readonly address: string }
  /** Addresses that we have but another node claims: id by address; empty when we have none at all. */
  | { readonly address?: undefined; readonly claimed: Readonly<Record<string, string>> };

/** A card that nobody has proven for so long, of a node that is no living member, claims nothing. */
const CLAIM_MS = 120_000;

interface Candidate {
  readonly address: string;
  readonly prefix: number;
  readonly partners: number;
  readonly rank: number;
}

/**
 * The LAN address under which others shall reach us. Pure.
 *
 * The one where the most others are; then IPv4, IPv6, IPv4 link-local. It stays while we have it, unless nobody
 * is there and somebody is elsewhere. An address that another node claims as well is never told: user networking
 * of QEMU gives each machine 10.0.2.15.
 */
export function chooseAdvertise(input: AdvertiseInput): Advertise {
  const partners = partnersOf(input);
  const claimed: Record<string, string> = {};
  const candidates: Candidate[] = [];
  for (const link of [...input.links].sort((a, b) => a.index - b.index)) {
    for (const { address, prefix, family } of link.addresses) {
      const rank = rankOf(address);
      if (rank === undefined) continue;
      const claimant = claimantOf(address, input);
      if (claimant !== undefined) {
        claimed[address] = claimant;
        continue;
      }
      const here = partners.filter(
        (partner) =>
          sameNetwork(partner.address, address, prefix) ||
          (partner.link === link.name && parseIp(partner.address)?.family === family),
      );
      candidates.push({ address, prefix, rank, partners: here.length });
    }
  }
  // Sorting is stable: on equal terms the kernel's order of the interfaces decides.
  const [best] = candidates.sort((a, b) => b.partners - a.partners || a.rank - b.rank);
  if (best === undefined) return { claimed };
  const kept = candidates.find(({ address }) => address === input.current);
  if (kept !== undefined && (kept.partners > 0 || best.partners === 0)) {
    // Out of an emergency address into a real one, as soon as there is one and nobody uses the former.
    const real = kept.rank < LINK_LOCAL || best.rank === LINK_LOCAL;
    if (real || kept.partners > 0 || mayBeUsed(kept, input)) return { address: kept.address };
  }
  return { address: best.address };
}

/** Who has failed comes back there; a Serf that outlived the agent and was not asked yet may know somebody. */
function mayBeUsed({ address, prefix }: Candidate, { ownId, members }: AdvertiseInput): boolean {
  if (members.length === 0) return true;
  return members.some(
    (other) => other.id !== ownId && other.status !== 'left' && sameNetwork(other.address, address, prefix),
  );
}

interface Partner {
  readonly address: string;
  readonly link: string | undefined;
}

/** Where others are, each address once. */
function partnersOf({ ownId, contacts, members }: AdvertiseInput): Partner[] {
  const byAddress = new Map<string, Partner>();
  for (const { address, id, status } of members) {
    if (id !== ownId && status === 'alive') byAddress.set(address, { address, link: undefined });
  }
  for (const { address, id, link } of contacts) {
    if (id !== ownId) byAddress.set(address, { address, link });
  }
  return [...byAddress.values()];
}

/** The id of another node that is reached under this address or says so in its card. */
function claimantOf(address: string, { ownId, cards, members, nowMs }: AdvertiseInput): string | undefined {
  const alive = new Set(members.filter(({ status }) => status === 'alive').map(({ id }) => id));
  const member = members.find(
    (other) => other.id !== ownId && other.status === 'alive' && sameAddress(other.address, address),
  );
  if (member !== undefined) return member.id;
  return cards.find(
    ({ card, provenMs }) =>
      card.id !== ownId &&
      (alive.has(card.id) || nowMs - (provenMs ?? Number.NEGATIVE_INFINITY) <= CLAIM_MS) &&
      card.addresses.some((claim) => sameAddress(claim, address)),
  )?.card.id;
}

const LINK_LOCAL = 2;

/** Lower is better; undefined for addresses that nobody else could use. */
function rankOf(address: string): number | undefined {
  const ip = parseIp(address);
  if (ip === undefined) return undefined;
  if (ip.family === 'IPv6') return ip.value === 1n || ip.value >> 118n === 0x3fan ? undefined : 1;
  return sameNetwork(address, '169.254.0.0', 16) ? LINK_LOCAL : 0;
}
