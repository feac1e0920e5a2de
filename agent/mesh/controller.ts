import { nodeName } from '../config/name.ts';
import type { Settings } from '../config/settings.ts';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import type { Mesh } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { clock, network, udpSend } from '../host.ts';
import { type Identity, shortHash } from '../identity/identity.ts';
import { wireguardKeys } from '../identity/keys.ts';
import { conditionOf } from '../status.ts';
import { addressKeeper } from './address-keeper.ts';
import { rangeConflict, rangeFull, unreachablePeers } from './conditions.ts';
import { afterTelling, type Dump, differs, withRetained } from './config.ts';
import type { Driver } from './driver.ts';
import {
  ageClass,
  ageOf,
  type Contacts,
  isHurried,
  observe,
  planProbes,
  probed,
  unreachable,
} from './handshakes.ts';
import { namesOf } from './node-names.ts';
import { createPathWatch } from './path-watch.ts';
import { claimantOf, type PlannedPeer, planPeers, type SeenPeer } from './peers.ts';
import { inRange, parseRange } from './range.ts';
import type { Wireguard } from './wireguard.ts';

const HURRIED_MS = 1_000;
/** Somebody has come to a node that was there before. */
const EXPECTANT_MS = 3_000;
const CALM_MS = 20_000;
/** Somebody may have removed the interface or an address. */
const VERIFY_MS = 60_000;
const FAILED_AGAIN_MS = 5_000;
/** How long the peers of an agent before us stay, while the cards are being found again. */
const START_MS = 60_000;
/** RFC 863: what is sent there has no meaning; it only makes WireGuard shake hands. */
const DISCARD_PORT = 9;

/** What a pass needs that is sure to be there. */
interface Node {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly hasKey: boolean;
}

/** @param wireguard for the interface of the settings */
export function meshController(state: string, wireguard: (name: string) => Wireguard): Controller {
  const keeper = addressKeeper(state);
  const startedMs = clock.monotonicMs();
  let contacts: Contacts = new Map();
  let wantedBefore: ReadonlyMap<string, string | undefined> = new Map();
  let ensured: { address: string; mtu: number; driver: Driver; atMs: number } | undefined;
  const watch = createPathWatch();
  /** What WireGuard said last, with what it was told since: asking it is a program each time. */
  let last: { readonly dump: Dump; readonly untilMs: number } | undefined;

  async function interfaceFor(node: Node, address: string, signal: AbortSignal): Promise<Dump> {
    const { mesh } = node.settings;
    const speaker = wireguard(mesh.interface);
    const range = parseRange(mesh.range);
    const now = clock.monotonicMs();
    const mtu = watch.mtu(mesh.mtu);
    if (ensured?.address === address && ensured.mtu === mtu && now - ensured.atMs < VERIFY_MS) {
      if (last !== undefined && now < last.untilMs) return last.dump;
      try {
        return await speaker.dump(signal);
      } catch (error) {
        // The interface has gone since we looked: make it again.
        if (!(error instanceof AgentError) || error.code !== 'mesh.silent') throw error;
      }
    }
    const publicKey = keysOf(node).publicKey;
    const isOurs = (text: string) => inRange(range, text.split('/')[0] ?? '');
    const wanted = { address, prefix: range.prefix, mtu, publicKey, isOurs };
    const driver = await speaker.ensure(wanted, signal);
    ensured = { address, mtu, driver, atMs: now };
    return await speaker.dump(signal);
  }

  /** Plan, tell WireGuard when it must be told, and knock where nobody has answered. */
  async function peersFor(node: Node, address: string, view: View, signal: AbortSignal) {
    const speaker = wireguard(node.settings.mesh.interface);
    const keys = keysOf(node);
    const nowMs = clock.monotonicMs();
    const dump = await interfaceFor(node, address, signal);
    contacts = observe(contacts, dump.peers, nowMs, clock.wallClock().getTime() / 1000);
    const seen = new Map<string, SeenPeer>(
      dump.peers.map(({ publicKey, endpoint }) => [
        publicKey,
        { endpoint, handshakeAge: ageOf(contacts.get(publicKey), nowMs) },
      ]),
    );
    const peers = planPeers({
      ownId: node.identity.id,
      ownKey: keys.publicKey,
      ownAddress: address,
      range: parseRange(node.settings.mesh.range),
      cards: view.get('cards') ?? [],
      members: view.get('gossip')?.members ?? [],
      registry: view.get('registry'),
      links: view.get('links') ?? [],
      seen,
      wantedBefore,
      nowMs,
    });
    const starting = nowMs - startedMs < START_MS || view.get('cards') === undefined;
    const forgotten = new Set((view.get('cards') ?? []).map(({ card }) => card.meshKey));
    const configured = starting ? withRetained(peers, dump, forgotten) : peers;
    const config = { port: node.settings.mesh.port, peers: configured };
    const told = differs(dump, keys.publicKey, config);
    if (told) await speaker.configure({ ...config, privateKey: keys.privateKey }, signal);
    const hurriedMs = nowMs - startedMs < START_MS ? HURRIED_MS : EXPECTANT_MS;
    const pauseMs = isHurried(peers, contacts, nowMs) ? hurriedMs : CALM_MS;
    const kept = last?.dump === dump ? last.untilMs : Number.POSITIVE_INFINITY;
    const untilMs = Math.min(kept, nowMs + pauseMs);
    last = { dump: told ? afterTelling(dump, config) : dump, untilMs };
    wantedBefore = new Map(peers.map(({ id, wanted }) => [id, wanted]));
    const due = planProbes(peers, contacts, nowMs);
    await udpSend.sendToEach(
      due.map((peer) => ({ address: peer.address, port: DISCARD_PORT })),
      '',
    );
    contacts = probed(contacts, due, nowMs);
    const ports = new Map((view.get('cards') ?? []).map(({ card }) => [card.id, card.ports.etcd]));
    await watch.update({
      address,
      port: node.settings.consensus.client_port,
      portOf: (id) => ports.get(id),
      ...{ peers, contacts, nowMs },
      most: node.settings.mesh.mtu,
      onNews: view.nudge,
    });
    return { peers, againMs: Math.max(0, untilMs - clock.monotonicMs()), nowMs };
  }

  async function pass(node: Node, address: string, view: View, signal: AbortSignal): Promise<Outcome> {
    const { peers, againMs, nowMs } = await peersFor(node, address, view, signal);
    const names = namesFor(node, view);
    const nameOf = (id: string) => names.get(id) ?? id;
    return {
      outputs: {
        mesh: { ...describe(address, ensured?.driver, peers, contacts, nameOf, nowMs), mtu: ensured?.mtu },
      },
      conditions: [
        ...unreachablePeers(unreachable(peers, contacts, nowMs), nameOf),
        ...watch.conditions(peers, nameOf),
      ],
      againMs,
    };
  }

  return {
    name: 'mesh',
    inputs: ['facts', 'links', 'cards', 'gossip', 'registry', 'consensus'],
    outputs: ['mesh'],
    async reconcile(view, signal) {
      const node = nodeOf(view);
      if (node === undefined) return {};
      const { mesh, cluster } = node.settings;
      const consensus = view.get('consensus');
      const evicted = new Set(view.get('registry')?.evicted ?? []);
      const { claim, conditions } = await keeper.update({
        cluster: cluster.name,
        range: mesh.range,
        id: node.identity.id,
        registered: view.get('registry')?.addresses ?? {},
        others: (view.get('cards') ?? []).filter(({ card }) => !evicted.has(card.id)).map(claimantOf),
        voter: consensus === undefined ? undefined : consensus.place === 'voter',
        established: consensus?.genesis !== undefined,
      });
      if (claim === undefined) return notReady(undefined, [...conditions, rangeFull(mesh.range)]);
      const { address } = claim;
      const links = view.get('links') ?? [];
      const conflict = rangeConflict(links, mesh.interface, parseRange(mesh.range), mesh.range);
      if (conflict !== undefined) return notReady(address, [...conditions, conflict]);
      if (!node.hasKey) return notReady(address, conditions);
      try {
        const outcome = await pass(node, address, view, signal);
        return { ...outcome, conditions: [...conditions, ...(outcome.conditions ?? [])] };
      } catch (error) {
        // The next pass looks at everything anew.
        ensured = undefined;
        last = undefined;
        if (!(error instanceof AgentError)) throw error;
        return notReady(address, [...conditions, conditionOf(error)]);
      }
    },
    async close() {
      watch.close();
    },
  };
}

function nodeOf(view: View): Node | undefined {
  const facts = view.get('facts');
  const settings = facts?.settings.settings;
  const identity = facts?.identity;
  if (settings === undefined || identity === undefined || identity instanceof AgentError) return undefined;
  return { identity, settings, hasKey: Buffer.isBuffer(facts?.key) };
}

function keysOf({ identity }: Node): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = wireguardKeys(identity.seed);
  return { privateKey: privateKey.toString('base64'), publicKey: publicKey.toString('base64') };
}

function namesFor({ identity, settings }: Node, view: View): ReadonlyMap<string, string> {
  const own = { id: identity.id, name: nodeName(settings.name, network.hostname(), shortHash(identity)) };
  return namesOf(own, view.get('cards') ?? [], view.get('registry'));
}

function notReady(address: string | undefined, conditions: readonly FoundCondition[]): Outcome {
  const mesh: Mesh = { ready: false, driver: undefined, address, peers: [] };
  return { outputs: { mesh }, conditions, againMs: FAILED_AGAIN_MS };
}

function describe(
  address: string,
  driver: Driver | undefined,
  peers: readonly PlannedPeer[],
  contacts: Contacts,
  nameOf: (id: string) => string,
  nowMs: number,
): Mesh {
  return {
    ready: true,
    driver,
    address,
    peers: peers.map((peer) => ({
      id: peer.id,
      name: nameOf(peer.id),
      address: peer.address,
      endpoint: peer.endpoint,
      handshakeAge: ageClass(contacts.get(peer.publicKey), nowMs),
    })),
  };
}
