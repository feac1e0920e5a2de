import type { DumpedPeer } from './config.ts';
import { FRESH_SECONDS, type PlannedPeer } from './peers.ts';

/** What we remember of our attempts to reach a peer. */
interface Contacted {
  /** The wall clock's seconds as WireGuard told them; only ever compared for being the same. */
  readonly stamp: number | undefined;
  /** Monotonic ms of the last handshake; undefined when there was none. */
  readonly handshakeMs: number | undefined;
  /** Probes in vain since then. */
  readonly probes: number;
  readonly firstProbeMs: number | undefined;
  readonly lastProbeMs: number | undefined;
}

/** By public key. */
export type Contacts = ReadonlyMap<string, Contacted>;

const NEVER: Contacted = {
  stamp: undefined,
  handshakeMs: undefined,
  probes: 0,
  firstProbeMs: undefined,
  lastProbeMs: undefined,
};

/** Probes of one pass: hundreds of handshakes at once would cost a small machine its other work. */
const PROBES_A_PASS = 16;
/** WireGuard itself repeats a handshake every 5 s for 90 s, once it has something to send. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
/** How old the session of an idle peer may be before we see whether it still answers. */
const LOOK_AGAIN_MS = 600_000;
/** How long a probe may go unanswered before we say so. */
const PATIENCE_MS = 30_000;

/**
 * Take note of what WireGuard says. Ages are counted by our own monotonic clock from when a handshake was first
 * seen, since the wall clock of a node may jump by decades. Peers that are gone are forgotten. Pure.
 *
 * @param wallSeconds for handshakes from before we started
 */
export function observe(
  before: Contacts,
  peers: readonly DumpedPeer[],
  nowMs: number,
  wallSeconds: number,
): Map<string, Contacted> {
  return new Map(
    peers.map(({ publicKey, handshake }) => {
      const known = before.get(publicKey);
      if (known !== undefined && known.stamp === handshake) return [publicKey, known];
      if (handshake === undefined) return [publicKey, NEVER];
      const age = Math.max(0, wallSeconds - handshake);
      const handshakeMs = known === undefined ? nowMs - age * 1000 : nowMs;
      return [publicKey, { ...NEVER, stamp: handshake, handshakeMs }];
    }),
  );
}

/**
 * Whom to send a datagram, so that WireGuard tries a handshake: nodes without one and those not heard for long,
 * with growing pauses, a few at a time. Pure.
 */
export function planProbes(peers: readonly PlannedPeer[], contacts: Contacts, nowMs: number): PlannedPeer[] {
  const due = peers.filter((peer) => {
    const contact = contacts.get(peer.publicKey) ?? NEVER;
    if (peer.endpoint === undefined || !isWanted(peer, contact, nowMs)) return false;
    if (contact.lastProbeMs === undefined) return true;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(contact.probes - 1, 10));
    return nowMs - contact.lastProbeMs >= pause;
  });
  const last = ({ publicKey }: PlannedPeer) => contacts.get(publicKey)?.lastProbeMs ?? 0;
  return due.sort((a, b) => last(a) - last(b)).slice(0, PROBES_A_PASS);
}

/** Take note of the probes that were sent. Pure. */
export function probed(
  before: Contacts,
  peers: readonly PlannedPeer[],
  nowMs: number,
): Map<string, Contacted> {
  const after = new Map(before);
  for (const { publicKey } of peers) {
    const contact = before.get(publicKey) ?? NEVER;
    after.set(publicKey, {
      ...contact,
      probes: contact.probes + 1,
      firstProbeMs: contact.firstProbeMs ?? nowMs,
      lastProbeMs: nowMs,
    });
  }
  return after;
}

/** Nodes that Serf sees alive and that do not answer in the mesh, though we tried. Pure. */
export function unreachable(peers: readonly PlannedPeer[], contacts: Contacts, nowMs: number): PlannedPeer[] {
  return peers.filter(({ alive, publicKey }) => {
    const first = contacts.get(publicKey)?.firstProbeMs;
    return alive && first !== undefined && nowMs - first > PATIENCE_MS;
  });
}

/** Is somebody still to be heard for the first time, so that it is worth looking often? Pure. */
export function isHurried(peers: readonly PlannedPeer[], contacts: Contacts, nowMs: number): boolean {
  return peers.some(({ publicKey, endpoint }) => {
    const { handshakeMs, firstProbeMs } = contacts.get(publicKey) ?? NEVER;
    const trying = firstProbeMs === undefined || nowMs - firstProbeMs <= PATIENCE_MS;
    return endpoint !== undefined && handshakeMs === undefined && trying;
  });
}

/** Seconds since the last handshake, for decisions; undefined when there was none. Pure. */
export function ageOf(contact: Contacted | undefined, nowMs: number): number | undefined {
  return contact?.handshakeMs === undefined ? undefined : (nowMs - contact.handshakeMs) / 1000;
}

/** The same in two classes, so that what others read does not change all the time: 0 or 180. Pure. */
export function ageClass(contact: Contacted | undefined, nowMs: number): number | undefined {
  const age = ageOf(contact, nowMs);
  return age === undefined ? undefined : age < FRESH_SECONDS ? 0 : FRESH_SECONDS;
}

function isWanted(peer: PlannedPeer, { handshakeMs }: Contacted, nowMs: number): boolean {
  return handshakeMs === undefined || (peer.alive && nowMs - handshakeMs > LOOK_AGAIN_MS);
}
