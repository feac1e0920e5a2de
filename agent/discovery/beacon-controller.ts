import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import type { Contact } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { dns } from '../host.ts';
import type { Log } from '../log.ts';
import { claimOf, decodeBeacon, encodeBeacon } from './beacon.ts';
import type { DiscoveryKey } from './cluster-keys.ts';
import { ageContacts, type Contacts, NO_CONTACTS, noteContact, publish } from './contacts.ts';
import type { Hints } from './hints.ts';
import { afterResolving, type Join, type JoinState, joinsOf, type Resolver, resolveJoin } from './joins.ts';
import type { Refusals } from './refusals.ts';
import { beat, type Rhythm, startRhythm } from './rhythm.ts';
import { createSpeakers, type Speakers } from './speakers.ts';

interface BeaconDeps {
  readonly log: Log;
  readonly now: () => number;
  readonly random: () => number;
  readonly instance: string;
  readonly refusals: Refusals;
  /** Gets the places that call out under another key. */
  readonly hints?: Hints | undefined;
  /** Newest first. */
  readonly keys: (view: View) => readonly DiscoveryKey[];
  readonly resolver?: Resolver;
  /** Machines to ask besides those of the settings. */
  readonly moreJoins?: (() => readonly string[]) | undefined;
}

/**
 * Writes `contacts`: calls out who we are on every link, listens to others, and resolves the static and DNS
 * join lists again and again. Nothing heard here is trusted beyond "look there".
 */
export function beaconController(deps: BeaconDeps): Controller {
  const { now, random, refusals } = deps;
  const resolver = deps.resolver ?? dns;
  let table: Contacts = NO_CONTACTS;
  let shown: readonly Contact[] = [];
  let keys: readonly DiscoveryKey[] = [];
  let payload: Buffer | undefined;
  let genesis: string | undefined;
  let neighbours = 0;
  let rhythm: Rhythm | undefined;
  let nudge = () => {};
  let joins: readonly Join[] = [];
  const joinStates = new Map<string, JoinState>();
  const resolving = new Set<string>();
  let speakers: Speakers | undefined;

  const note = (contact: Contact) => {
    const before = table;
    table = noteContact(table, contact);
    if (table.size !== before.size) nudge();
  };
  /** @returns whether it came from another node of our cluster */
  const onBeacon = (bytes: Buffer, from: string, link: string | undefined): boolean => {
    const heard = decodeBeacon(
      bytes,
      keys.map(({ beacon }) => beacon),
    );
    if (heard === undefined) return false;
    if (heard.refused?.code === 'other-key') hint(bytes, from);
    // Without a key nobody can be told from a stranger.
    if (keys.length === 0) return false;
    if (heard.refused) {
      refusals.record(from, heard.refused.code, heard.refused.reason);
      return false;
    }
    const { id, instance, peerPort } = heard.beacon;
    if (instance === deps.instance) return false;
    note({ address: from, peerPort, via: 'beacon', id, link, heardMs: now() });
    return genesis !== undefined && heard.beacon.genesis === genesis;
  };
  const hint = (bytes: Buffer, address: string) => {
    const claim = claimOf(bytes);
    if (claim === undefined || claim.instance === deps.instance) return;
    deps.hints?.note({ address, port: claim.peerPort, fingerprint: claim.fingerprint });
  };
  const resolve = (join: Join) => {
    const { text, via } = join;
    const state = joinStates.get(text);
    if (resolving.has(text) || (state !== undefined && now() < state.nextMs)) return;
    resolving.add(text);
    void resolveJoin(join, resolver)
      .then(
        (found) => {
          for (const { address, peerPort } of found) note({ address, peerPort, via, heardMs: now() });
          return found.length > 0 ? undefined : 'no address';
        },
        (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
      )
      .then((error) => {
        resolving.delete(text);
        if (joins.some((one) => one.text === text)) {
          joinStates.set(text, afterResolving(state, error, now(), random()));
        }
        nudge();
      });
  };

  return {
    name: 'beacon',
    inputs: ['facts', 'links', 'gossip', 'consensus'],
    outputs: ['contacts'],
    whileHalted: true,
    async reconcile(view): Promise<Outcome> {
      nudge = view.nudge;
      const facts = view.get('facts');
      const settings = facts?.settings.settings;
      const identity = facts?.identity;
      keys = deps.keys(view);
      const [key] = keys;
      payload = undefined;
      // Who waits to be enrolled listens and asks, and has nothing to say.
      const listens = key !== undefined || facts?.token !== undefined;
      if (!identity || identity instanceof AgentError || !settings || !listens) return {};
      const nowMs = now();
      if (key !== undefined) {
        genesis = view.get('consensus')?.genesis?.uuid;
        payload = encodeBeacon(
          {
            id: identity.id,
            instance: deps.instance,
            peerPort: settings.discovery.port,
            gossipPort: settings.gossip.port,
            genesis,
          },
          key.beacon,
        );
      }
      speakers ??= createSpeakers({
        onBeacon,
        answer: () => payload,
        neighbours: () => neighbours,
        instance: deps.instance,
        now,
      });
      const links = view.get('links') ?? [];
      await speakers.setLinks(links, settings.discovery.port);
      const alive = (view.get('gossip')?.members ?? []).filter(
        ({ id, status }) => status === 'alive' && id !== identity.id,
      ).length;
      neighbours = alive;
      const { next, beacon, query, againMs } = beat(rhythm ?? startRhythm(nowMs), {
        alive,
        settled: view.get('consensus')?.confirmed === true,
        nowMs,
        random: random(),
      });
      rhythm = next;
      if (beacon && payload !== undefined) await speakers.send(payload);
      if (query) await speakers.query();

      const more = deps.moreJoins?.() ?? [];
      joins = joinsOf(
        { ...settings.discovery, join: [...settings.discovery.join, ...more] },
        settings.gossip.port,
      );
      for (const text of joinStates.keys()) {
        if (!joins.some((join) => join.text === text)) joinStates.delete(text);
      }
      for (const join of joins) resolve(join);
      table = ageContacts(table, now());
      shown = publish(table, shown);
      const conditions =
        alive > 0 ? [] : [...unresolved(joins, joinStates), ...mute(links.length, joins, speakers)];
      return { outputs: { contacts: shown }, conditions, againMs: Math.min(againMs, joinPause(joins)) };
    },
    async close() {
      speakers?.close();
      speakers = undefined;
    },
  };

  function joinPause(list: readonly Join[]): number {
    const pauses = list
      .filter(({ text }) => !resolving.has(text))
      .map(({ text }) => (joinStates.get(text)?.nextMs ?? 0) - now());
    return Math.max(100, ...(pauses.length > 0 ? [Math.min(...pauses)] : [60_000]));
  }
}

function unresolved(joins: readonly Join[], states: ReadonlyMap<string, JoinState>): FoundCondition[] {
  const failing = joins.flatMap(({ text }) => {
    const error = states.get(text)?.error;
    return error === undefined ? [] : [`${text}: ${error}`];
  });
  if (failing.length === 0 || failing.length < joins.length) return [];
  return [
    {
      code: 'discovery.unresolved',
      state: 'waiting',
      summary: 'waiting for a name server: no machine to join could be found by its name',
      evidence: failing.join('\n'),
      endedBy: 'correct discovery.join or discovery.dns, or mend the name server (resolvectl query NAME)',
    },
  ];
}

/** Only when every link is mute: one that works is enough to be found. */
function mute(links: number, joins: readonly Join[], speakers: Speakers): FoundCondition[] {
  const silent = speakers.silent();
  if (links === 0 || joins.length > 0 || new Set(silent.map(({ link }) => link)).size < links) return [];
  return [
    {
      code: 'discovery.multicast',
      state: 'waiting',
      summary: 'waiting for a way to be found: neither multicast nor broadcast can be sent',
      evidence: silent.map(({ link, reason }) => `${link}: ${reason}`).join('\n'),
      endedBy:
        'let UDP 5353 and the port discovery.port out of the firewall, or name machines in discovery.join',
    },
  ];
}
