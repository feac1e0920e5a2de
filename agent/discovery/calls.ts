import type { Contact, KnownCard, Member } from '../engine/resources.ts';
import type { Target } from './channel/channel.ts';

/** What came of the calls to one `address port` so far. */
export interface Attempts {
  readonly failures: number;
  /** Monotonic ms before which it is left alone. */
  readonly nextMs: number;
  /** It was ourselves. */
  readonly self?: boolean | undefined;
  /** Hash of the card for which it was called last. */
  readonly hash?: string | undefined;
}

export interface Call extends Target {
  /** Hash of the card that is wanted, when gossip says that there is a new one. */
  readonly hash?: string | undefined;
}

interface CallInputs {
  readonly ownId: string;
  readonly contacts: readonly Contact[];
  readonly members: readonly Member[];
  readonly cards: ReadonlyMap<string, KnownCard>;
  readonly attempts: ReadonlyMap<string, Attempts>;
  /** Keys of the calls that are on. */
  readonly running: ReadonlySet<string>;
  readonly peerPort: number;
  /** Nobody has answered in this run of the agent: everybody is asked, also who is alive in gossip. */
  readonly unanswered?: boolean | undefined;
  readonly nowMs: number;
}

const CONCURRENCY = 4;

/** Who is not (yet) alive in gossip proves its presence this often, so that a genesis counts who is there. */
const PRESENCE_MS = 20_000;
const LONGEST_MS = 30_000;
const FIRST_MS = 1_000;
const SELF_MS = 300_000;
/** Addresses on cards are tried only while we are alone, and rarely. */
const LAST_RESORT_MS = 30_000;

export function callKey({ address, port }: Target): string {
  return `${address} ${port}`;
}

/**
 * Whom to call now, and when to look again: members of gossip whose card we do not have, contacts that are not
 * alive in gossip, and, while nobody else is there, the addresses on the cards that we know. Pure.
 */
export function planCalls(inputs: CallInputs): {
  readonly calls: readonly Call[];
  readonly againMs: number;
} {
  const { running, attempts, nowMs } = inputs;
  const due: Call[] = [];
  let againMs = PRESENCE_MS;
  const seen = new Set<string>(running);
  for (const { target, notBeforeMs } of wanted(inputs)) {
    const key = callKey(target);
    if (seen.has(key)) continue;
    seen.add(key);
    const attempt = attempts.get(key);
    const pauseMs =
      attempt === undefined || isNews(target, attempt) ? Number.NEGATIVE_INFINITY : attempt.nextMs;
    const at = Math.max(pauseMs, notBeforeMs);
    if (at <= nowMs) due.push(target);
    else againMs = Math.min(againMs, at - nowMs);
  }
  const calls = due.slice(0, Math.max(0, CONCURRENCY - running.size));
  return { calls, againMs: Math.max(100, Math.ceil(againMs)) };
}

/** It answered, and has another card since. A card that did not come then is not asked for again at once. */
function isNews({ hash }: Call, attempt: Attempts): boolean {
  return hash !== undefined && hash !== attempt.hash && attempt.failures === 0 && !attempt.self;
}

/** What a call's end means for the next one to the same address. Pure; `random` is in [0, 1). */
export function afterCall(
  before: Attempts | undefined,
  result: 'answered' | 'self' | 'failed',
  nowMs: number,
  random: number,
  hash?: string,
): Attempts {
  if (result === 'self') return { failures: 0, nextMs: nowMs + SELF_MS, self: true };
  const spread = 0.75 + random / 2;
  if (result === 'answered') return { failures: 0, nextMs: nowMs + PRESENCE_MS * spread, hash };
  const failures = (before?.failures ?? 0) + 1;
  const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return { failures, nextMs: nowMs + pause * spread };
}

function* wanted(inputs: CallInputs): Generator<{ target: Call; notBeforeMs: number }> {
  const { ownId, contacts, members, cards, peerPort, unanswered = false } = inputs;
  const alive = new Map(
    members
      .filter(({ status, id }) => status === 'alive' && id !== ownId)
      .map((member) => [member.id, member]),
  );
  for (const { id, address, tags } of alive.values()) {
    if (!unanswered && (tags.card === undefined || cards.get(id)?.hash === tags.card)) continue;
    const port = Number(tags.peer ?? peerPort);
    if (Number.isInteger(port) && port > 0 && port < 65536) {
      yield { target: { address, port, hash: tags.card }, notBeforeMs: Number.NEGATIVE_INFINITY };
    }
  }
  const atAddress = new Map([...cards.values()].map((known) => [known.address, known]));
  for (const { id, address, peerPort: port } of contacts) {
    const known = id === undefined ? atAddress.get(address) : cards.get(id);
    if (!unanswered && known !== undefined && alive.has(known.card.id)) continue;
    // It may have called us in the meantime: that proves as much.
    const provenHere = !unanswered && known?.address === address ? known.provenMs : undefined;
    yield {
      target: { address, port },
      notBeforeMs: (provenHere ?? Number.NEGATIVE_INFINITY) + PRESENCE_MS * 0.75,
    };
  }
  if (alive.size > 0) return;
  for (const { card, provenMs = Number.NEGATIVE_INFINITY } of cards.values()) {
    const notBeforeMs = unanswered ? Number.NEGATIVE_INFINITY : provenMs + LAST_RESORT_MS;
    for (const address of card.addresses) {
      yield { target: { address, port: card.ports.peer }, notBeforeMs };
    }
  }
}
