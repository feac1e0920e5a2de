import { isPresent } from '../consensus/sight.ts';
import { REKEY } from '../discovery/channel/answering.ts';
import type { PeerChannel } from '../discovery/channel/channel.ts';
import type { Hint } from '../discovery/hints.ts';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import type { KnownCard } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import type { Events } from '../events/recorder.ts';
import type { Identity } from '../identity/identity.ts';
import { fingerprint, wireguardKeys } from '../identity/keys.ts';
import type { Log } from '../log.ts';
import {
  type Asked,
  afterAsking,
  candidatesOf,
  describeAsked,
  keepAsked,
  planAsking,
  type Target,
  targetKey,
} from './asking.ts';
import type { KeyHolder } from './held-keys.ts';
import { type LastVoters, majorityOf } from './last-voters.ts';
import { believed, type Given, readGiven } from './rekey.ts';
import { isPast, PHASES } from './rotation.ts';

interface RekeyDeps {
  readonly keys: KeyHolder;
  readonly channel: Pick<PeerChannel, 'call'>;
  readonly voters: LastVoters;
  readonly hints: () => readonly Hint[];
  readonly events: Pick<Events, 'record'>;
  readonly log: Log;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In [0, 1), to spread load. */
  readonly random: () => number;
  /** The node holds another key now. */
  readonly replaced: () => void;
}

/** A node that has just started is cut off for a while. */
const SHUT_MS = 8_000;
const NOTE_MS = 30_000;

/**
 * Gets the new key for a node that was a member, to which no majority answers, and which hears nobody, or somebody
 * under another key.
 */
export function rekeyController(deps: RekeyDeps): Controller {
  const { keys, now, random } = deps;
  let shutMs: number | undefined;
  let asked = new Map<string, Asked>();
  const given = new Map<string, Given>();

  const ask = async (target: Target, identity: Identity): Promise<void> => {
    const called = await deps.channel.call(target, REKEY, {}, { replaced: true });
    const got = readGiven(called.answer, wireguardKeys(identity.seed).privateKey);
    const id = called.peer?.id;
    // A cluster that was begun again from older data still has its old rotation.
    const past = got !== undefined && isPast({ id: got.rotation, number: got.number }, keys.now()?.reached);
    if (got !== undefined && id !== undefined && !past) given.set(id, got);
    const reason =
      got === undefined
        ? (called.refused?.reason ?? called.failed ?? 'its answer holds no key for this node')
        : `it gave the key ${fingerprint(got.key)}`;
    asked.set(targetKey(target), afterAsking(asked.get(targetKey(target)), reason, now(), random()));
  };

  const take = async ({ rotation, number, phase, key }: Given): Promise<void> => {
    const before = keys.now();
    if (before === undefined) return;
    const next = { rotation, phase, key };
    await keys.reach({ id: rotation, number });
    // Where all others are past the old key, so are we; else we go on with them from their phase.
    if (PHASES.indexOf(phase) >= PHASES.indexOf('drop')) await keys.adopt({ ...next, phase: 'drop' });
    else await keys.holdNext(next);
    const details = { from: fingerprint(before.current), to: fingerprint(key) };
    deps.log.info('took the new cluster key', details);
    deps.events.record({
      kind: 'key.taken',
      summary: `this node was away while the cluster key was changed; it has the new one (${details.to}) now`,
      details,
    });
    asked.clear();
    given.clear();
    deps.replaced();
  };

  return {
    name: 'rekey',
    inputs: ['facts', 'gossip', 'cards', 'consensus', 'contacts', 'mesh'],
    outputs: [],
    async reconcile(view): Promise<Outcome> {
      const identity = view.get('facts')?.identity;
      const held = keys.now();
      if (!identity || identity instanceof AgentError || held === undefined) return {};
      const cards = view.get('cards') ?? [];
      const { quorum = false, voters: seen = [] } = view.get('consensus') ?? {};
      if (quorum) await deps.voters.note(seen, presentIn(view, now()));
      const ours = new Set([held.current, ...(held.next ? [held.next.key] : [])].map(fingerprint));
      const strange = deps.hints().filter((hint) => !ours.has(hint.fingerprint));
      const isShut = isCutOff(view) && (strange.length > 0 || isAlone(view, identity.id));
      if (cards.length === 0 || !isShut) {
        shutMs = undefined;
        asked.clear();
        given.clear();
        // Who votes now may be believed a little later than it is seen.
        return quorum ? { againMs: NOTE_MS } : {};
      }
      shutMs ??= now();
      const leftMs = shutMs + SHUT_MS - now();
      if (leftMs > 0) return { againMs: leftMs };
      const candidates = candidatesOf(strange, contactsOf(view), cards.flatMap(placesOf));
      asked = keepAsked(asked, candidates);
      const { targets, againMs } = planAsking(candidates, asked, now());
      await Promise.all(targets.map((target) => ask(target, identity)));
      const voters = await deps.voters.now();
      const good = believed(given, voters, view.get('consensus')?.follow);
      if (good !== undefined && !good.key.equals(held.current) && !held.next?.key.equals(good.key)) {
        await take(good);
        return { againMs };
      }
      const shut = strange.length > 0 || given.size > 0;
      return { conditions: shut ? [waiting(held.current, asked, voters.map(nameIn(cards)))] : [], againMs };
    },
  };
}

/** We were in a cluster, and no majority of it answers. Who else is there may be an evicted one with our key. */
function isCutOff(view: View): boolean {
  const consensus = view.get('consensus');
  return consensus?.genesis !== undefined && !consensus.quorum;
}

function isAlone(view: View, self: string): boolean {
  const members = view.get('gossip')?.members ?? [];
  return !members.some(({ id, status }) => id !== self && status === 'alive');
}

function contactsOf(view: View): Target[] {
  return (view.get('contacts') ?? []).map(({ address, peerPort }) => ({ address, port: peerPort }));
}

function nameIn(cards: readonly KnownCard[]): (id: string) => string {
  return (id) => cards.find(({ card }) => card.id === id)?.card.name ?? id.slice(0, 8);
}

/** Whose mesh key, or private key, was proven just now: not those of whom only a beacon or Serf tells. */
function presentIn(view: View, nowMs: number): Set<string> {
  const cards = view.get('cards') ?? [];
  const here = cards.filter((known) => isPresent(known, nowMs, view.get('gossip'), view.get('mesh')));
  return new Set(here.map(({ card }) => card.id));
}

function placesOf({
  card,
  address,
}: {
  card: { addresses: readonly string[]; ports: { peer: number } };
  address?: string | undefined;
}): Target[] {
  const addresses = address === undefined ? card.addresses.slice(0, 2) : [address];
  return addresses.map((one) => ({ address: one, port: card.ports.peer }));
}

function waiting(key: Buffer, asked: ReadonlyMap<string, Asked>, voters: readonly string[]): FoundCondition {
  const from =
    voters.length === 0
      ? ''
      : `the same key from ${majorityOf(voters)} of ${voters.join(', ')}, who voted when this node last saw a quorum; or `;
  return {
    code: 'key.replaced',
    state: 'waiting',
    summary: `waiting for the cluster key: others do not use that of this node (${fingerprint(key)}) any more`,
    evidence: describeAsked(asked),
    endedBy: `${from}if an operator recovered the cluster on one of them: node-agent recover --follow NODE; or by hand: node-agent key show on a member, and put that into /var/lib/clusteros/cluster.key`,
  };
}
