import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import type { Controller, Outcome, View } from '../engine/controller.ts';
import type { SignedCard } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { clock, machineIds } from '../host.ts';
import { machineOf } from '../identity/machine.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import type { Registry } from '../registry/registry.ts';
import { beaconController } from './beacon-controller.ts';
import { renewMac } from './card.ts';
import { createCards } from './cards.ts';
import { type ChannelSelf, createPeerChannel, type PeerChannel } from './channel/channel.ts';
import { type Clones, createClones } from './clones.ts';
import { createKeyring, type DiscoveryKey } from './cluster-keys.ts';
import { createHints, type Hints } from './hints.ts';
import { linksController } from './links.ts';
import { ownCardController } from './own-card.ts';
import { createOwnPast, type OwnPast } from './own-past.ts';
import { createPresence } from './presence.ts';
import { createRefusals, type Refusals } from './refusals.ts';
import { createRumours } from './rumours.ts';

interface DiscoveryDeps {
  readonly paths: Paths;
  readonly log: Log;
  /** Monotonic ms. */
  readonly now?: () => number;
  readonly wallClock?: () => Date;
  /** In [0, 1), to spread load. */
  readonly random?: () => number;
  /** Of this run of the agent, 16 hexadecimal digits. */
  readonly instance?: string;
  /** Machines to ask besides those of the settings, as an operator told this node. */
  readonly moreJoins?: () => readonly string[];
  /** Cluster keys that count now, newest first; the key in `facts` alone when absent. For rotation. */
  readonly clusterKeys?: () => readonly Buffer[] | undefined;
  /** Cluster keys that were replaced lately: their holders may ask for the new one. */
  readonly retiredKeys?: () => ChannelSelf['retired'];
  /**
   * True while the node takes no part (it left, is being reset): it is then silent. Not for a clone: that one
   * must go on looking whether the other machine is still there.
   */
  readonly silent?: () => boolean;
  /** How long to wait for an answer before the card on this disk is believed to be the newest. */
  readonly graceMs?: () => number;
}

export interface Discovery {
  /** In an order in which their inputs come first. */
  readonly controllers: readonly Controller[];
  /** Other stages register their requests here, and call peers. */
  readonly channel: PeerChannel;
  /** Who was refused lately, for status. */
  readonly refusals: Refusals;
  /** Places that call out under a key that we do not hold. */
  readonly hints: Hints;
  /** Whether this machine must stand back, because another one has its identity. */
  readonly clones: Clones;
  /** Whether other nodes know a newer past of this one than its disk. */
  readonly past: OwnPast;
  readonly instance: string;
}

/** A restored disk, a busy port, a node told to be silent: none of them is an event. */
const LOOK_MS = 5_000;
const GRACE_MS = 10_000;

/** Everything by which nodes find and recognise each other, ready to be run by the engine. */
export function createDiscovery(deps: DiscoveryDeps): Discovery {
  const { paths, log } = deps;
  const now = deps.now ?? clock.monotonicMs;
  const wallClock = deps.wallClock ?? clock.wallClock;
  const random = deps.random ?? Math.random;
  const instance = deps.instance ?? randomBytes(8).toString('hex');
  const refusals = createRefusals({ log, now, wallClock });
  const clones = createClones({ instance, file: path.join(paths.state, 'duplicate.json'), log, now });
  const hints = createHints(now, random);
  const keyring = createKeyring();
  let seen: ChannelSelf | undefined;
  let heldKey: Buffer | undefined;
  let known: ReadonlySet<string> = new Set();
  let voters: readonly string[] = [];
  let port = 0;
  const keysNow = (): readonly DiscoveryKey[] => {
    if (deps.silent?.()) return [];
    return keyring(deps.clusterKeys?.() ?? (heldKey === undefined ? [] : [heldKey]));
  };
  const keys = (view: View): readonly DiscoveryKey[] => {
    const key = view.get('facts')?.key;
    heldKey = Buffer.isBuffer(key) ? key : undefined;
    return heldKey === undefined ? [] : keysNow();
  };
  // The keys as they are at this moment: a rotation goes on when they are in use, not when somebody looks.
  const self = (): ChannelSelf | undefined => {
    if (seen === undefined) return undefined;
    const [newest, ...others] = seen.keys.length === 0 ? [] : keysNow();
    if (newest === undefined) return { ...seen, keys: [] };
    const card = seen.card && renewMac(seen.card, newest.card);
    return { ...seen, card, keys: [newest, ...others], retired: deps.retiredKeys?.() };
  };
  const channel: PeerChannel = createPeerChannel({
    log,
    refusals,
    self,
    standing: clones.standing,
    metOurself: clones.met,
    toldDuplicate: (address, by) => rumours.heard(address, by),
    admit: (peer) => cards.admit(peer),
    isKnown: (address) => known.has(address),
  });
  const rumours = createRumours({
    now,
    voters: () => voters,
    look: (address) => void channel.call({ address, port }, 'card', {}),
    believed: clones.told,
  });
  const presence = createPresence(() => channel);
  const cards = createCards({
    stateFolder: paths.state,
    log,
    now,
    random,
    channel,
    self,
    presence,
    refusals,
  });
  const past = createOwnPast();
  const ownCard = ownCardController({
    stateFolder: paths.state,
    configFolder: path.dirname(paths.config),
    log,
    now,
    keys,
    seenSequence: cards.ownSequence,
    past,
    machine: async () => machineOf(await machineIds(paths.state)),
    asked: () => ({ ...cards.asked(), graceMs: deps.graceMs?.() ?? GRACE_MS }),
  });
  const channelController: Controller = {
    name: 'peer-channel',
    inputs: ['facts', 'ownCard', 'registry', 'consensus', 'cards'],
    outputs: [],
    whileHalted: true,
    async reconcile(view): Promise<Outcome> {
      seen = selfFrom(view, keys(view));
      const wanted = view.get('facts')?.settings.settings?.discovery.port;
      known = new Set(
        (view.get('cards') ?? []).flatMap(({ card, address = '' }) => [...card.addresses, address]),
      );
      voters = view.get('consensus')?.lastVoters ?? voters;
      if (seen === undefined || wanted === undefined || seen.keys.length === 0) {
        await channel.stop();
        return {};
      }
      port = wanted;
      await channel.start(port);
      return { againMs: LOOK_MS };
    },
    close: () => channel.stop(),
  };
  return {
    controllers: [
      linksController(),
      clonesController(clones),
      channelController,
      beaconController({ log, now, random, instance, refusals, hints, keys, moreJoins: deps.moreJoins }),
      ownCard,
      cards.controller,
    ],
    channel,
    refusals,
    hints,
    clones,
    past,
    instance,
  };
}

/** Tells how long we have been a member, keeps the verdict over a restart, and shows it. */
function clonesController(clones: Clones): Controller {
  let loaded = false;
  return {
    name: 'clones',
    inputs: ['consensus'],
    outputs: [],
    whileHalted: true,
    async reconcile(view): Promise<Outcome> {
      clones.onChange(view.nudge);
      if (!loaded) await clones.load();
      loaded = true;
      clones.setMember((view.get('consensus')?.place ?? 'none') !== 'none' && !clones.isClone());
      await clones.save();
      return { conditions: clones.conditions(), againMs: LOOK_MS };
    },
  };
}

function selfFrom(view: View, keys: readonly DiscoveryKey[]): ChannelSelf | undefined {
  const facts = view.get('facts');
  const identity = facts?.identity;
  const settings = facts?.settings.settings;
  if (!identity || identity instanceof AgentError || settings === undefined) return undefined;
  const registry = view.get('registry');
  const card: SignedCard | undefined = view.get('ownCard');
  return {
    identity,
    card,
    keys,
    tokens: tokensOf(registry),
    evicted: new Set(registry?.evicted ?? []),
    range: settings.mesh.range,
  };
}

/** Also those that are expired or used up: whoever takes them says so, better than TLS could. */
function tokensOf(registry: Registry | undefined): ChannelSelf['tokens'] {
  return (registry?.tokens ?? []).map(({ id, key }) => ({ id, key: Buffer.from(key, 'base64') }));
}
