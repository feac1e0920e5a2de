import type { Contact } from '../engine/resources.ts';

/** The table of contacts by `address port`. A plain map: the pure functions below return new ones. */
export type Contacts = ReadonlyMap<string, Contact>;

export const NO_CONTACTS: Contacts = new Map();

/** Beacons come at least every 30 s: four may be lost. */
export const BEACON_AGE_MS = 120_000;
/** A name that cannot be resolved for a while still leads where it led. */
const RESOLVED_AGE_MS = 600_000;
const MOST = 1_024;
/** A node with several links is heard by several addresses; a replayed beacon must not fill the table. */
const MOST_OF_ONE_ID = 8;

/** How stale `heardMs` may be for others, so that each beacon is not news for all. */
const NEWS_MS = 15_000;

/** Take note of a contact; a heard id and link outlast a contact that is only said to be there. Pure. */
export function noteContact(table: Contacts, contact: Contact): Contacts {
  const key = keyOf(contact);
  const before = table.get(key);
  const next = new Map(table);
  next.delete(key);
  const merged: Contact =
    before?.via === 'beacon' && contact.via !== 'beacon'
      ? { ...before, heardMs: Math.max(before.heardMs, contact.heardMs) }
      : contact;
  next.set(key, merged);
  if (before === undefined) {
    const same = contact.id === undefined ? [] : [...next].filter(([, one]) => one.id === contact.id);
    if (same.length > MOST_OF_ONE_ID) dropOldest(next, same);
    else if (next.size > MOST) dropOldest(next, [...next]);
  }
  return next;
}

/** Forget what has not been heard or resolved for long. The same map when nothing is that old. Pure. */
export function ageContacts(table: Contacts, nowMs: number): Contacts {
  const kept = [...table].filter(([, { via, heardMs }]) => nowMs - heardMs < ageOf(via));
  return kept.length === table.size ? table : new Map(kept);
}

/**
 * What others get to see: sorted, and with times that move only in steps, so that a beacon heard again is no
 * change. Pure.
 */
export function publish(table: Contacts, before: readonly Contact[]): readonly Contact[] {
  const old = new Map(before.map((contact) => [keyOf(contact), contact]));
  return [...table.keys()].sort().map((key) => {
    const contact = table.get(key) as Contact;
    const shown = old.get(key);
    const same =
      shown !== undefined &&
      shown.id === contact.id &&
      shown.via === contact.via &&
      shown.link === contact.link &&
      contact.heardMs - shown.heardMs < NEWS_MS;
    return same ? shown : contact;
  });
}

function keyOf({ address, peerPort }: Contact): string {
  return `${address} ${peerPort}`;
}

function ageOf(via: Contact['via']): number {
  return via === 'join' || via === 'dns' ? RESOLVED_AGE_MS : BEACON_AGE_MS;
}

function dropOldest(table: Map<string, Contact>, among: readonly (readonly [string, Contact])[]): void {
  const [oldest] = [...among].sort(([, a], [, b]) => a.heardMs - b.heardMs);
  if (oldest !== undefined) table.delete(oldest[0]);
}
