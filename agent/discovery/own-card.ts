import * as path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { nodeName } from '../config/name.ts';
import type { Controller, Outcome, View } from '../engine/controller.ts';
import type { Card, Link, SignedCard } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { files, network } from '../host.ts';
import { shortHash } from '../identity/identity.ts';
import { wireguardKeys } from '../identity/keys.ts';
import { isOther, loadMachine, type Machine, saveMachine } from '../identity/machine.ts';
import type { Log } from '../log.ts';
import { conditionOf } from '../status.ts';
import { CARD_BYTES, makeCard, parseCard } from './card.ts';
import type { DiscoveryKey } from './cluster-keys.ts';
import type { OwnPast, PastFacts } from './own-past.ts';
import { readVersions, type Versions } from './versions.ts';

interface OwnCardDeps {
  readonly stateFolder: string;
  readonly configFolder: string;
  readonly log: Log;
  readonly now: () => number;
  /** Newest first; empty while there is none. */
  readonly keys: (view: View) => readonly DiscoveryKey[];
  /** The highest sequence of our own cards that others have shown us. */
  readonly seenSequence: () => number;
  readonly past: OwnPast;
  readonly machine: () => Promise<Machine>;
  readonly asked: () => Pick<PastFacts, 'answered' | 'known' | 'graceMs'>;
}

/** While an engine is missing: it may be installed. */
const ASK_AGAIN_MS = 60_000;
/** Others may have shown us a newer card of ours. */
const LOOK_MS = 10_000;
const AWAITED_MS = 250;
const DAY_MS = 86_400_000;
const MOST_ADDRESSES = 16;
/** The range of the mesh may have been changed since. */
const ANY_RANGE = '0.0.0.0/0';

/**
 * Writes `ownCard`. The card as it was last signed lies on disk, so that its sequence never goes back; it is
 * signed anew with the next sequence when what it says has changed, in each run and each day: that is how an older copy
 * of the disk is known. Until others were asked, and while they know a newer one, it is shown as it lay there: two copies
 * of one disk must not make the same next sequence, nor the older one outdo the newer.
 */
export function ownCardController(deps: OwnCardDeps): Controller {
  const file = path.join(deps.stateFolder, 'own-card.json');
  let last: Card | undefined;
  let lastKnown = false;
  let machine: Machine = {};
  let lastMachine: Machine = {};
  let sinceMs: number | undefined;
  /** When the card was last made in this run. */
  let madeMs = Number.NEGATIVE_INFINITY;
  let signed: { readonly card: Card; readonly keyMark: string; readonly value: SignedCard } | undefined;
  let versions: Versions | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  return {
    name: 'own-card',
    inputs: ['facts', 'links', 'mesh', 'consensus'],
    outputs: ['ownCard'],
    whileHalted: true,
    async reconcile(view): Promise<Outcome> {
      const facts = view.get('facts');
      const identity = facts?.identity;
      const settings = facts?.settings.settings;
      const meshAddress = view.get('mesh')?.address;
      const [key] = deps.keys(view);
      if (!identity || identity instanceof AgentError) return {};
      // What we said last stands while we cannot say more: a node that is halted has no place in the mesh.
      const said = signed?.card.id === identity.id ? { outputs: { ownCard: signed.value } } : {};
      if (!settings || !meshAddress || !key) return said;
      // Not there yet, or too slow to say so while much else started: once more, as those of one release vote.
      const incomplete = [versions?.serf, versions?.etcd].some(
        (each) => each === 'missing' || each === 'unknown',
      );
      if (versions === undefined || (incomplete && deps.now() - askedMs >= ASK_AGAIN_MS)) {
        versions = await readVersions(deps.configFolder);
        askedMs = deps.now();
      }
      if (!lastKnown) {
        last = await readLast(file, deps.log);
        [machine, lastMachine] = [await deps.machine(), await loadMachine(deps.stateFolder)];
      }
      lastKnown = true;
      sinceMs ??= deps.now();
      const content: Omit<Card, 'sequence'> = {
        version: 1,
        id: identity.id,
        name: nodeName(settings.name, network.hostname(), shortHash(identity)),
        meshKey: wireguardKeys(identity.seed).publicKey.toString('base64'),
        meshAddress,
        addresses: lanAddresses(view.get('links') ?? [], meshAddress),
        ports: {
          gossip: settings.gossip.port,
          peer: settings.discovery.port,
          mesh: settings.mesh.port,
          raft: settings.consensus.peer_port,
          etcd: settings.consensus.client_port,
        },
        versions,
        genesis: view.get('consensus')?.genesis,
      };
      const before = last?.id === identity.id ? last : undefined;
      const seen = deps.seenSequence();
      const waitedMs = deps.now() - sinceMs;
      const moved = isOther(lastMachine, machine);
      const past = deps.past.look({ disk: before?.sequence, seen, waitedMs, moved, ...deps.asked() });
      if (past === 'current') lastMachine = await saveMachine(deps.stateFolder, lastMachine, machine);
      const card =
        past !== 'current' && before !== undefined
          ? before
          : deps.now() - madeMs < DAY_MS
            ? nextCard(before, content, seen)
            : nextCard(undefined, content, Math.max(seen, before?.sequence ?? 0));
      const unsaved = card === last ? undefined : await save(card);
      // On a full disk the card that lies there still says who we are.
      const shown = unsaved === undefined ? card : before;
      if (shown === undefined) throw unsaved;
      if (signed?.card !== shown || signed.keyMark !== key.fingerprint) {
        signed = { card: shown, keyMark: key.fingerprint, value: makeCard(shown, identity, key.card) };
      }
      const againMs = past === 'awaited' || past === 'moved' ? AWAITED_MS : LOOK_MS;
      return {
        outputs: { ownCard: signed.value },
        conditions: unsaved === undefined ? [] : [conditionOf(unsaved)],
        againMs,
      };
    },
  };

  async function save(card: Card): Promise<AgentError | undefined> {
    try {
      await files.writeDurable(file, `${JSON.stringify(card)}\n`, 0o600);
    } catch (error) {
      if (error instanceof AgentError) return error;
      throw error;
    }
    last = card;
    madeMs = deps.now();
    return undefined;
  }
}

/**
 * The card to show: the last one while it says the same and nobody has seen a newer, else one with the next
 * sequence. After a restored backup others know a higher sequence than the disk: it is taken over. Pure.
 */
export function nextCard(last: Card | undefined, content: Omit<Card, 'sequence'>, seen: number): Card {
  if (last?.id === content.id && seen <= last.sequence) {
    const { sequence, ...said } = last;
    if (isDeepStrictEqual(plain(said), plain(content))) return last;
    return { ...content, sequence: sequence + 1 };
  }
  const before = last?.id === content.id ? last.sequence : 0;
  return { ...content, sequence: Math.min(Math.max(before, seen) + 1, Number.MAX_SAFE_INTEGER) };
}

/** All addresses of all links, the first of each link before the second of any: the best first. Pure. */
function lanAddresses(links: readonly Link[], meshAddress: string): string[] {
  const deepest = Math.max(0, ...links.map(({ addresses }) => addresses.length));
  const found: string[] = [];
  for (let place = 0; place < deepest; place += 1) {
    for (const { addresses } of links) {
      const address = addresses[place]?.address;
      if (address !== undefined && address !== meshAddress) found.push(address);
    }
  }
  return [...new Set(found)].slice(0, MOST_ADDRESSES);
}

/** As JSON has it: a member that is undefined is none. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

async function readLast(file: string, log: Log): Promise<Card | undefined> {
  // The next sequence is then learned from the others.
  const unread = (reason: string) =>
    log.warning('our last card could not be read; a new one is made', { reason });
  try {
    const found = await files.readLimited(file, CARD_BYTES + 1);
    if (found === undefined) return undefined;
    const { card, refused } = parseCard(found.bytes, ANY_RANGE);
    if (refused) unread(refused.reason);
    return card;
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    unread(error.message);
    return undefined;
  }
}
