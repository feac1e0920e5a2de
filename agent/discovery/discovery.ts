import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import type { Controller, Outcome, View } from '../engine/controller.ts';
import type { Registry, SignedCard } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import { beaconController } from './beacon-controller.ts';
import { createCards } from './cards.ts';
import { type ChannelSelf, createPeerChannel, type PeerChannel } from './channel/channel.ts';
import { type Clones, createClones } from './clones.ts';
import { createKeyring, type DiscoveryKey } from './cluster-keys.ts';
import { linksController } from './links.ts';
import { ownCardController } from './own-card.ts';
import { createPresence } from './presence.ts';
import { createRefusals, type Refusals } from './refusals.ts';

export interface DiscoveryDeps {
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
  /**
   * True while the node takes no part (it left, is being reset): it is then silent. Not for a clone: that one
   * must go on looking whether the other machine is still there.
   */
  readonly silent?: () => boolean;
}

export interface Discovery {
  /** In an order in which their inputs come first. */
  readonly controllers: readonly Controller[];
  /** Other stages register their requests here, and call peers. */
  readonly channel: PeerChannel;
  /** Who was refused lately, for status. */
  readonly refusals: Refusals;
  /** Whether this machine must stand back, because another one has its identity. */
  readonly clones: Clones;
  readonly instance: string;
}

const CLONE_LOOK_MS = 5_000;

/** Everything by which nodes find and recognise each other, ready to be run by the engine. */
export function createDiscovery(deps: DiscoveryDeps): Discovery {
  const { paths, log } = deps;
  const now = deps.now ?? clock.monotonicMs;
  const wallClock = deps.wallClock ?? clock.wallClock;
  const random = deps.random ?? Math.random;
  const instance = deps.instance ?? randomBytes(8).toString('hex');
  const refusals = createRefusals({ log, now, wallClock });
  const clones = createClones({ instance, file: path.join(paths.state, 'duplicate.json'), log, now });
  const keyring = createKeyring();
  let self: ChannelSelf | undefined;
  const keys = (view: View): readonly DiscoveryKey[] => {
    if (deps.silent?.()) return [];
    const key = view.get('facts')?.key;
    return keyring(deps.clusterKeys?.() ?? (Buffer.isBuffer(key) ? [key] : []));
  };
  const channel: PeerChannel = createPeerChannel({
    log,
    refusals,
    self: () => self,
    standing: clones.standing,
    metOurself: clones.met,
    toldDuplicate: clones.told,
    admit: (peer) => cards.admit(peer),
  });
  const presence = createPresence(() => channel, now);
  const cards = createCards({
    stateFolder: paths.state,
    log,
    now,
    random,
    channel,
    self: () => self,
    presence,
    refusals,
  });
  const ownCard = ownCardController({
    stateFolder: paths.state,
    configFolder: path.dirname(paths.config),
    log,
    now,
    keys,
    seenSequence: cards.ownSequence,
  });
  const channelController: Controller = {
    name: 'peer-channel',
    inputs: ['facts', 'ownCard', 'registry', 'consensus'],
    outputs: [],
    whileHalted: true,
    async reconcile(view): Promise<Outcome> {
      self = selfFrom(view, keys(view), wallClock());
      const port = view.get('facts')?.settings.settings?.discovery.port;
      if (self === undefined || port === undefined || self.keys.length === 0) {
        await channel.stop();
        return {};
      }
      await channel.start(port);
      // A token expires without an event.
      return { againMs: CLONE_LOOK_MS };
    },
    close: () => channel.stop(),
  };
  return {
    controllers: [
      linksController(),
      clonesController(clones),
      channelController,
      beaconController({ log, now, random, instance, refusals, keys, moreJoins: deps.moreJoins }),
      ownCard,
      cards.controller,
    ],
    channel,
    refusals,
    clones,
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
      return { conditions: clones.conditions(), againMs: CLONE_LOOK_MS };
    },
  };
}

function selfFrom(view: View, keys: readonly DiscoveryKey[], at: Date): ChannelSelf | undefined {
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
    tokens: tokensOf(registry, at),
    evicted: new Set(registry?.evicted ?? []),
    range: settings.mesh.range,
  };
}

function tokensOf(registry: Registry | undefined, at: Date): ChannelSelf['tokens'] {
  return (registry?.tokens ?? [])
    .filter(({ expires, usesLeft }) => usesLeft > 0 && Date.parse(expires) > at.getTime())
    .map(({ id, key }) => ({ id, key: Buffer.from(key, 'base64') }));
}
