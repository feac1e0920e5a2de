import type { Controller, Outcome, View } from '../engine/controller.ts';
import type { KnownCard, Resources } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import type { Log } from '../log.ts';
import { conditionOf } from '../status.ts';
import { type Attempts, afterCall, type Call, callKey, planCalls } from './calls.ts';
import { cardHash, verifyCard } from './card.ts';
import { loadCards, saveCards } from './cards-file.ts';
import type { ChannelSelf, Peer, PeerChannel } from './channel/channel.ts';
import type { Refused } from './channel/envelope.ts';
import {
  type CardTable,
  digestOf,
  exchangeSchema,
  learn,
  type Page,
  pageOf,
  pageSchema,
  without,
} from './known-cards.ts';
import type { Presence } from './presence.ts';
import type { Refusals } from './refusals.ts';

interface CardsDeps {
  readonly stateFolder: string;
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
  readonly channel: PeerChannel;
  readonly self: () => ChannelSelf | undefined;
  readonly presence: Presence;
  readonly refusals: Refusals;
}

export interface Cards {
  readonly controller: Controller;
  /** The last word on a proven peer: it counts as present, or is refused. */
  admit(peer: Peer): Promise<Refused | undefined>;
  /** The highest sequence of our own cards that others have shown us; 0 when none. */
  ownSequence(): number;
  /** Whether a node took us for who we are in this run, and how many cards of others there are. */
  asked(): { readonly answered: boolean; readonly known: number | undefined };
}

const SAVE_MS = 5_000;
/** Of one exchange: 2,000 cards need fewer. */
const MOST_PAGES = 64;

/** Writes `cards`: asks contacts and members for their cards, answers the same question, keeps the newest. */
export function createCards(deps: CardsDeps): Cards {
  const { log, now, channel } = deps;
  let table: CardTable = new Map();
  let loaded = false;
  let ownSequence = 0;
  let answered = false;
  /** Somebody says that our identity is in use elsewhere: then no answer of another settles it. */
  let disputed = false;
  let savedMark = '';
  let savedMs = Number.NEGATIVE_INFINITY;
  let nudge = () => {};
  const attempts = new Map<string, Attempts>();
  const running = new Set<string>();
  const ending = new AbortController();

  const take = (value: unknown, from: string | 'registry' | 'disk'): void => {
    const self = deps.self();
    if (self === undefined) return;
    if (isKnown(value, table)) return;
    const keys = from === 'registry' ? 'trusted' : self.keys.map(({ card }) => card);
    const { known, refused } = verifyCard(value, { keys, range: self.range });
    if (refused) {
      if (from !== 'disk' && from !== 'registry') {
        deps.refusals.record(from, refused.code, `it passed on a card that was refused: ${refused.reason}`);
      }
      return;
    }
    if (known.card.id === self.identity.id) ownSequence = Math.max(ownSequence, known.card.sequence);
    else if (!self.evicted.has(known.card.id)) table = learn(table, known, undefined);
  };

  channel.handle('card', async (peer, body): Promise<Page> => {
    const asked = exchangeSchema.safeParse(body ?? {});
    const [key] = deps.self()?.keys ?? [];
    if (!asked.success || key === undefined || peer.card === undefined) return { cards: [] };
    const { digest, after } = asked.data;
    if (digest === undefined || digest === ownDigest(table, deps.self())) return { cards: [] };
    return pageOf(table, { id: peer.id, sequence: peer.card.sequence }, after, key.card);
  });

  const exchange = async (target: Call): Promise<void> => {
    const key = callKey(target);
    let after: string | undefined;
    let result: 'answered' | 'self' | 'failed' = 'failed';
    try {
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const body = { digest: ownDigest(table, deps.self()), ...(after === undefined ? {} : { after }) };
        const called = await channel.call(target, 'card', body, { signal: ending.signal });
        if (called.refused?.code === 'self') result = 'self';
        if (called.refused?.code === 'duplicate') disputed = true;
        if (called.failed !== undefined) log.debug('no card', { peer: key, reason: called.failed });
        if (called.peer === undefined) break;
        result = 'answered';
        const got = pageSchema.safeParse(called.answer);
        if (!got.success) break;
        for (const card of got.data.cards) take(card, target.address);
        if (got.data.next === undefined) answered = true;
        if (got.data.next === undefined || (after !== undefined && got.data.next <= after)) break;
        after = got.data.next;
      }
    } finally {
      running.delete(key);
      attempts.set(key, afterCall(attempts.get(key), result, now(), deps.random(), target.hash));
      nudge();
    }
  };

  const save = async (force: boolean): Promise<number | undefined> => {
    const [key] = deps.self()?.keys ?? [];
    const mark = `${key?.fingerprint} ${digestOf([...table.values()].map(({ hash }) => hash))}`;
    if (mark === savedMark || key === undefined) return undefined;
    const waitMs = savedMs + SAVE_MS - now();
    if (waitMs > 0 && !force) return waitMs;
    await saveCards(deps.stateFolder, pagesOf(table, key.card));
    savedMark = mark;
    savedMs = now();
    return undefined;
  };

  return {
    ownSequence: () => ownSequence,
    asked: () => ({ answered: answered && !disputed, known: loaded ? table.size : undefined }),
    async admit(peer) {
      const refused = await deps.presence.check(peer);
      if (refused) return refused;
      // One that stands back as a clone is spoken to, but is not the node.
      if (peer.card && peer.signed && peer.hash && !peer.standing.duplicate) {
        const proof = { address: peer.address, nowMs: now() };
        table = learn(table, { card: peer.card, signed: peer.signed, hash: peer.hash }, proof);
        nudge();
      }
      return undefined;
    },
    controller: {
      name: 'cards',
      inputs: ['contacts', 'gossip', 'registry', 'ownCard', 'facts'],
      outputs: ['cards'],
      whileHalted: true,
      async reconcile(view): Promise<Outcome> {
        nudge = view.nudge;
        const self = deps.self();
        const settings = view.get('facts')?.settings.settings;
        if (self === undefined || self.keys.length === 0 || settings === undefined) return {};
        if (!loaded) {
          loaded = true;
          for (const card of await loadCards(deps.stateFolder, log)) take(card, 'disk');
          savedMark = `${self.keys[0]?.fingerprint} ${digestOf([...table.values()].map(({ hash }) => hash))}`;
        }
        for (const { signed } of view.get('registry')?.nodes ?? []) take(signed, 'registry');
        table = without(table, new Set([...self.evicted, self.identity.id]));
        const { calls, againMs } = planCalls({
          ...inputsOf(view),
          ownId: self.identity.id,
          cards: table,
          attempts,
          running,
          peerPort: settings.discovery.port,
          unanswered: !answered,
          nowMs: now(),
        });
        if (self.card !== undefined) {
          for (const target of calls) {
            running.add(callKey(target));
            void exchange(target).catch((error) =>
              log.error('asking for a card failed', { reason: String(error) }),
            );
          }
        }
        forgetOld(attempts, now());
        const cards = [...table.keys()].sort().map((id) => table.get(id) as KnownCard);
        return { outputs: { cards }, ...(await saved(save, againMs)) };
      },
      async close() {
        ending.abort();
        await save(true).catch((error) => log.warning('the cards were not saved', { reason: String(error) }));
      },
    },
  };
}

/** A full disk must not keep the cards from those who need them. */
async function saved(
  save: (force: boolean) => Promise<number | undefined>,
  againMs: number,
): Promise<Pick<Outcome, 'againMs' | 'conditions'>> {
  try {
    return { againMs: Math.min(againMs, (await save(false)) ?? againMs) };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return {
      againMs: Math.min(againMs, SAVE_MS),
      conditions: [conditionOf(error)],
    };
  }
}

function inputsOf(view: View): Pick<Parameters<typeof planCalls>[0], 'contacts' | 'members'> {
  const gossip: Resources['gossip'] | undefined = view.get('gossip');
  return { contacts: view.get('contacts') ?? [], members: gossip?.members ?? [] };
}

function ownDigest(table: CardTable, self: ChannelSelf | undefined): string {
  const hashes = [...table.values()].map(({ hash }) => hash);
  return digestOf(self?.card === undefined ? hashes : [...hashes, cardHash(self.card)]);
}

/** Most of what is passed on is known: then nothing has to be verified. */
function isKnown(value: unknown, table: CardTable): boolean {
  if (typeof value !== 'object' || value === null || !('body' in value)) return false;
  const { body } = value;
  if (typeof body !== 'string' || body.length > 8_192) return false;
  const hash = hashIn.get(value) ?? cardHash({ body, signature: '', mac: '' });
  hashIn.set(value, hash);
  let hashes = hashesIn.get(table);
  if (hashes === undefined) {
    hashes = new Set([...table.values()].map((known) => known.hash));
    hashesIn.set(table, hashes);
  }
  return hashes.has(hash);
}

/** The registry shows the same cards in each pass. */
const hashIn = new WeakMap<object, string>();
const hashesIn = new WeakMap<CardTable, ReadonlySet<string>>();

function pagesOf(table: CardTable, key: Uint8Array) {
  return [...table.keys()]
    .sort()
    .flatMap((id) => pageOf(new Map([[id, table.get(id) as KnownCard]]), NOBODY, undefined, key).cards);
}

const NOBODY = { id: '', sequence: 0 };

function forgetOld(attempts: Map<string, Attempts>, nowMs: number): void {
  for (const [key, { nextMs }] of attempts) if (nowMs - nextMs > 600_000) attempts.delete(key);
}
