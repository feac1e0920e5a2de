import type { Settings } from '../config/settings.ts';
import type { Card, Contact, Genesis, Gossip, KnownCard, Mesh } from '../engine/resources.ts';
import { isBirth } from './birth.ts';
import type { Sight, Sighting } from './genesis.ts';

/** Turns what discovery, gossip and mesh say into what genesis.ts decides on; remembers who was here when. */
export interface Observer {
  look(inputs: SightInputs): Sight;
}

export interface SightInputs {
  readonly self: string;
  readonly nowMs: number;
  readonly settings: Pick<Settings, 'consensus' | 'discovery'>;
  readonly cards: readonly KnownCard[];
  readonly contacts?: readonly Contact[] | undefined;
  readonly gossip?: Gossip | undefined;
  readonly mesh?: Mesh | undefined;
  readonly evicted: readonly string[];
}

const PROVEN_MS = 30_000;
const HANDSHAKE_S = 180;
/** A beacon that was heard longer ago says nothing. */
const HEARD_MS = 30_000;
/** Between two looks; what is longer was spent otherwise, on a machine with too much to do. */
const LONGEST_LOOK_MS = 1_000;

/** @param startedMs monotonic ms since when others could be seen */
export function createObserver(startedMs: number): Observer {
  const lastSeenMs = new Map<string, number>();
  const births = new Map<string, boolean>();
  let before = new Set<string>();
  let newestContactMs: number | undefined;
  const heardOf = new Set<string>();
  let knownGrewMs: number | undefined;
  let [lookedMs, lastLookMs] = [0, startedMs];

  /** The same genesis comes again in every look: its signature is checked once. */
  const isVerified = (value: unknown): value is Genesis => {
    const text = JSON.stringify(value);
    const known = births.get(text);
    if (known !== undefined) return known;
    if (births.size > 200) births.clear();
    const verdict = isBirth(value);
    births.set(text, verdict);
    return verdict;
  };

  return {
    look({ self, nowMs, settings, cards, contacts = [], gossip, mesh, evicted }) {
      lookedMs += Math.min(nowMs - lastLookMs, LONGEST_LOOK_MS);
      lastLookMs = nowMs;
      const others = cards.filter(({ card }) => card.id !== self && !evicted.includes(card.id));
      const present = others
        .filter((known) => isPresent(known, nowMs, gossip, mesh))
        .map(({ card }) => card.id);
      for (const id of present) lastSeenMs.set(id, nowMs);
      if (present.some((id) => !before.has(id))) newestContactMs = nowMs;
      before = new Set(present);
      const left = new Set(gossip?.members.filter(({ status }) => status === 'left').map(({ id }) => id));
      const known = others.map(({ card }) => card.id).filter((id) => !left.has(id));
      if (known.some((id) => !heardOf.has(id))) knownGrewMs = nowMs;
      for (const id of known) heardOf.add(id);
      return {
        self,
        nowMs,
        startedMs: nowMs - lookedMs,
        expect: settings.consensus.expect,
        bootstrap: settings.consensus.bootstrap,
        joins: settings.discovery.join.length > 0,
        present,
        unproven: contacts.some(
          ({ via, id, heardMs }) =>
            via === 'beacon' &&
            nowMs - heardMs <= HEARD_MS &&
            id !== undefined &&
            id !== self &&
            !present.includes(id) &&
            !evicted.includes(id),
        ),
        lastSeenMs: new Map(lastSeenMs),
        newestContactMs,
        known,
        knownGrewMs,
        sightings: sightingsIn(
          others.map(({ card }) => card),
          isVerified,
        ),
      };
    },
  };
}

/** Proven over the peer channel a moment ago; or alive in Serf, and a peer in the mesh that has answered. Pure. */
export function isPresent(
  { card, provenMs }: KnownCard,
  nowMs: number,
  gossip: Gossip | undefined,
  mesh: Mesh | undefined,
): boolean {
  const member = gossip?.members.find(({ id }) => id === card.id);
  if (member !== undefined && member.status !== 'alive') return false;
  if (provenMs !== undefined && nowMs - provenMs <= PROVEN_MS) return true;
  const age = mesh?.peers.find(({ id }) => id === card.id)?.handshakeAge;
  return member !== undefined && age !== undefined && age <= HANDSHAKE_S;
}

function sightingsIn(cards: readonly Card[], isVerified: (value: unknown) => value is Genesis): Sighting[] {
  const found = new Map<string, { genesis: Genesis; carriers: string[] }>();
  for (const { id, genesis } of cards) {
    if (genesis === undefined || !isVerified(genesis)) continue;
    const entry = found.get(genesis.uuid) ?? { genesis, carriers: [] };
    entry.carriers.push(id);
    found.set(genesis.uuid, entry);
  }
  return [...found.values()].map(({ genesis, carriers }) => ({ genesis, carriers: carriers.sort() }));
}
