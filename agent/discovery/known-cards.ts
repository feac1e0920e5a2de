import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { KnownCard, SignedCard } from '../engine/resources.ts';
import { renewMac } from './card.ts';

/** The newest believed card of each other node, by id. Never holds our own. */
export type CardTable = ReadonlyMap<string, KnownCard>;

export type Believed = Pick<KnownCard, 'card' | 'signed' | 'hash'>;

/** Where and when (monotonic ms) the node itself showed the card; absent for one that others passed on. */
interface Proof {
  readonly address: string;
  readonly nowMs: number;
}

/** Bounds memory, and what a member gone bad can make us keep. */
export const MOST_CARDS = 2_000;

/** So that an answer with its envelope stays below the limit of a body. */
const PAGE_BYTES = 48 * 1024;

export const exchangeSchema = z.strictObject({
  /** Of all cards that the asker knows, see {@link digestOf}. */
  digest: z.string().max(16).optional(),
  /** Continue behind this id. */
  after: z.string().max(44).optional(),
});

export const pageSchema = z.strictObject({
  cards: z.array(z.unknown()).max(1_000),
  next: z.string().max(44).optional(),
});

export interface Page {
  readonly cards: readonly SignedCard[];
  readonly next?: string | undefined;
}

/**
 * Take note of a believed card. The greatest sequence of an id wins. What an older one means depends on who
 * shows it:
 * - passed on by another node: it is merely late, and dropped without a word;
 * - shown by its own identity, proven on the connection: no attack is possible without the private key. It is
 *   a machine restored from a backup, or a request that was overtaken. Its presence counts, its card does not;
 *   it learns from the answer which sequence it had reached, and goes on from there (`nextCard`);
 * - shown over the channel by someone without the private key: an attack; refused there as a replayed card.
 * Two machines with one identity (a cloned disk) are told apart by their instances, not here.
 * Two cards with one sequence come from a clone or a lost write: the proven one wins, else the lower hash, so
 * that all nodes choose the same.
 * A full table takes only who has proved itself, in the place of who has been silent longest: the cards of machines
 * that were reset years ago must not keep new ones out. Pure.
 */
export function learn(table: CardTable, believed: Believed, proof: Proof | undefined): CardTable {
  const { id, sequence } = believed.card;
  const before = table.get(id);
  const full = before === undefined && table.size >= MOST_CARDS;
  if (full && proof === undefined) return table;
  const newer =
    before === undefined ||
    sequence > before.card.sequence ||
    (sequence === before.card.sequence &&
      before.hash !== believed.hash &&
      (proof !== undefined || (before.provenMs === undefined && believed.hash < before.hash)));
  if (!newer && proof === undefined) return table;
  const { card, signed, hash } = newer ? believed : before;
  const next = new Map(table);
  if (full) next.delete(longestSilent(table));
  next.set(id, {
    card,
    signed,
    hash,
    address: proof?.address ?? before?.address,
    provenMs: proof?.nowMs ?? before?.provenMs,
  });
  return next;
}

function longestSilent(table: CardTable): string {
  let silent = { id: '', sinceMs: Number.POSITIVE_INFINITY };
  for (const [id, { provenMs = Number.NEGATIVE_INFINITY }] of table) {
    if (provenMs < silent.sinceMs) silent = { id, sinceMs: provenMs };
  }
  return silent.id;
}

/** The same table without some nodes. Pure. */
export function without(table: CardTable, ids: ReadonlySet<string>): CardTable {
  const kept = [...table].filter(([id]) => !ids.has(id));
  return kept.length === table.size ? table : new Map(kept);
}

/** Equal on two nodes exactly when they know the same cards, their own included. Pure. */
export function digestOf(hashes: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const one of [...hashes].sort()) hash.update(one);
  return hash.digest('hex').slice(0, 16);
}

/**
 * A page of the cards that we pass on, in the order of their ids, under the newest cluster key. Pure.
 *
 * @param asker gets its own card only when we know a newer one than it shows
 */
export function pageOf(
  table: CardTable,
  asker: { readonly id: string; readonly sequence: number },
  after: string | undefined,
  key: Uint8Array,
): Page {
  const cards: SignedCard[] = [];
  let bytes = 0;
  let lastId = after;
  for (const id of [...table.keys()].sort()) {
    if (after !== undefined && id <= after) continue;
    const known = table.get(id) as KnownCard;
    if (id === asker.id && known.card.sequence <= asker.sequence) continue;
    const signed = renewMac(known.signed, key);
    bytes += JSON.stringify(signed).length + 1;
    if (bytes > PAGE_BYTES) return { cards, next: lastId };
    cards.push(signed);
    lastId = id;
  }
  return { cards };
}
