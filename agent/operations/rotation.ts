import * as z from 'zod';
import { nodeId } from '../registry/records.ts';

/**
 * A change of the cluster key while the cluster runs, as a machine whose state stands in etcd: whoever sits
 * beside the Raft leader drives it, and everybody follows. Each phase is over when every node that is alive has
 * acknowledged it, so that nobody sends what another cannot yet read.
 */
export const PHASES = ['distribute', 'use', 'trust', 'certify', 'drop', 'done'] as const;
export type Phase = (typeof PHASES)[number];

/**
 * What a node does to acknowledge a phase.
 *
 * - distribute: has opened its sealed copy, holds it on the disk, and understands both keys
 * - use: sends with the new key (peer channel, beacon, cards, gossip)
 * - trust: etcd's CA file holds both CAs; read at its start, so one node at a time
 * - certify: etcd's certificate is signed by the new CA
 * - drop: the new key is the cluster key; the old one is understood no more, by etcd neither
 * - done: nothing; stays in etcd so that a node that was away learns it
 */
const ROLLING: ReadonlySet<Phase> = new Set(['trust', 'certify', 'drop']);

export interface Rotation extends RotationMark {
  readonly phase: Phase;
  /** By which people know the keys. */
  readonly oldFingerprint: string;
  readonly newFingerprint: string;
  /** The voter whose etcd may restart now, in a rolling phase. */
  readonly turn?: string | undefined;
  /** ISO 8601. */
  readonly startedAt: string;
}

const rotationId = z.string().regex(/^[0-9a-f]{16}$/);

/** The rotations of a cluster are counted, so that one that a recovery brings back is known as past. */
export interface RotationMark {
  readonly id: string;
  /** Greater for each later rotation, over recoveries too; 0 for those of agents that did not count. */
  readonly number: number;
}

export const markSchema = z.object({
  id: rotationId,
  number: z.int().min(0).max(1_000_000_000).default(0),
});

/** Is this from before what the node has reached? Its cluster was begun again from older data then. Pure. */
export function isPast(rotation: RotationMark | undefined, reached: RotationMark | undefined): boolean {
  if (reached === undefined || reached.number === 0) return false;
  if (rotation === undefined || rotation.number < reached.number) return true;
  return rotation.number === reached.number && rotation.id !== reached.id;
}

export const rotationSchema = markSchema.extend({
  phase: z.enum(PHASES),
  oldFingerprint: z.string().regex(/^[0-9a-f]{8}$/),
  newFingerprint: z.string().regex(/^[0-9a-f]{8}$/),
  turn: nodeId.optional(),
  startedAt: z.string().max(40),
});

/** How far a node has come. */
export interface Ack {
  readonly rotation: string;
  readonly phase: Phase;
}

export const ackSchema = z.object({
  rotation: z.string().regex(/^[0-9a-f]{16}$/),
  phase: z.enum(PHASES),
});

/** What the driver sees. */
export interface DriverScene {
  readonly self: string;
  /** Members that are alive, not evicted, and have a sealed copy: the others cannot come along. */
  readonly alive: readonly string[];
  readonly voters: readonly string[];
  readonly quorum: boolean;
  readonly acks: ReadonlyMap<string, Ack>;
}

type DriverStep =
  | { readonly step: 'advance'; readonly phase: Phase }
  | { readonly step: 'turn'; readonly node: string }
  | { readonly step: 'wait'; readonly missing: readonly string[]; readonly reason: string }
  | { readonly step: 'none' };

/** The driver's next step. Pure. */
export function drive(rotation: Rotation, scene: DriverScene): DriverStep {
  const { phase, turn } = rotation;
  if (phase === 'done') return { step: 'none' };
  if (!scene.quorum) return wait([], 'the cluster has no quorum');
  const missing = scene.alive.filter((id) => !hasReached(scene.acks.get(id), rotation.id, phase));
  if (missing.length === 0) return { step: 'advance', phase: PHASES[PHASES.indexOf(phase) + 1] ?? 'done' };
  if (!ROLLING.has(phase)) return wait(missing, 'not yet acknowledged');
  const waitingVoters = scene.voters.filter((id) => missing.includes(id));
  if (turn !== undefined && waitingVoters.includes(turn)) return wait(missing, 'restarting one by one');
  // Ourselves last: the driver would change with the leader.
  const next = waitingVoters.find((id) => id !== scene.self) ?? waitingVoters[0];
  return next === undefined ? wait(missing, 'not yet acknowledged') : { step: 'turn', node: next };
}

function wait(missing: readonly string[], reason: string): DriverStep {
  return { step: 'wait', missing, reason };
}

/** Has the node acknowledged this phase or a later one? Pure. */
function hasReached(ack: Ack | undefined, rotation: string, phase: Phase): boolean {
  return ack?.rotation === rotation && PHASES.indexOf(ack.phase) >= PHASES.indexOf(phase);
}

/** The keys of a node as they stand on its disk. */
export interface HeldKeys {
  /** state/cluster.key */
  readonly current: Buffer;
  /** state/cluster.key.next: the other key during a rotation, and how far we have come. */
  readonly next?: NextKey | undefined;
  /** state/rotation.json: the latest rotation whose key this node was given. Never goes back. */
  readonly reached?: RotationMark | undefined;
}

export interface NextKey {
  readonly rotation: string;
  readonly phase: Phase;
  readonly key: Buffer;
}

/**
 * The keys that a node understands; the first is the one that it sends with. Pure.
 *
 * From `use` on the others understand the new one: they had all acknowledged `distribute`. From `drop` on nobody
 * sends with the old one: they had all acknowledged `use`.
 */
export function keysInUse({ current, next }: HeldKeys): readonly Buffer[] {
  if (next === undefined || next.key.equals(current)) return [current];
  if (next.phase === 'distribute') return [current, next.key];
  return isAtLeast(next.phase, 'drop') ? [next.key] : [next.key, current];
}

/** Whose CAs etcd here trusts, and which one signs its certificate. Pure. */
export function certificateKeys({ current, next }: HeldKeys): { trusted: readonly Buffer[]; leaf: Buffer } {
  if (next === undefined || next.key.equals(current) || !isAtLeast(next.phase, 'trust')) {
    return { trusted: [current], leaf: current };
  }
  if (isAtLeast(next.phase, 'drop')) return { trusted: [next.key], leaf: next.key };
  return {
    trusted: [current, next.key],
    leaf: isAtLeast(next.phase, 'certify') ? next.key : current,
  };
}

/** Once everybody has it, others may send with it only. Pure. */
export function isSentWith(next: NextKey | undefined): boolean {
  return next !== undefined && next.phase !== 'distribute';
}

function isAtLeast(phase: Phase, other: Phase): boolean {
  return PHASES.indexOf(phase) >= PHASES.indexOf(other);
}

type FollowerStep =
  /** Note that this rotation is reached, by whatever way the node came to its key. */
  | { readonly step: 'reach' }
  /** Get our sealed copy and hold it. */
  | { readonly step: 'take' }
  /** A change that never ended: its key is sent with already, so that it counts as the old one of the next. */
  | { readonly step: 'settle' }
  /** Write down that we are in this phase; the next pass applies and acknowledges it. */
  | { readonly step: 'enter'; readonly phase: Phase }
  /** Put the new key in the old one's place. */
  | { readonly step: 'adopt' }
  /** Make channel, gossip and etcd as the keys say, then tell the driver. */
  | { readonly step: 'acknowledge'; readonly phase: Phase }
  | { readonly step: 'forget' }
  | { readonly step: 'wait'; readonly for: 'turn' }
  | { readonly step: 'none' };

export interface FollowerScene {
  readonly self: string;
  readonly isVoter: boolean;
  readonly held: HeldKeys;
  readonly heldFingerprint: string;
  /** Ours, as it stands in etcd. */
  readonly ack: Ack | undefined;
}

/**
 * A node's next step after the rotation in etcd. A node that was away catches up phase by phase; one that died
 * at any moment does the last step again. Pure.
 */
export function follow(rotation: Rotation | undefined, scene: FollowerScene): FollowerStep {
  const { held, self, isVoter, ack } = scene;
  // A key that was replaced does not come back: the recovery that brought this up begins another rotation.
  if (isPast(rotation, held.reached)) return { step: 'none' };
  if (rotation === undefined) return held.next === undefined ? { step: 'none' } : { step: 'forget' };
  if (scene.heldFingerprint === rotation.newFingerprint) {
    if (held.next !== undefined) return { step: 'forget' };
    if (rotation.number > (held.reached?.number ?? 0)) return { step: 'reach' };
    const reached = rotation.phase === 'done' ? 'done' : 'drop';
    return hasReached(ack, rotation.id, reached) ? { step: 'none' } : { step: 'acknowledge', phase: reached };
  }
  if (held.next?.rotation !== rotation.id) return { step: isSentWith(held.next) ? 'settle' : 'take' };
  const { phase: here } = held.next;
  if (here === 'drop') return { step: 'adopt' };
  // Acknowledged only as far as it is done.
  if (!hasReached(ack, rotation.id, here)) return { step: 'acknowledge', phase: here };
  const [mine, theirs] = [PHASES.indexOf(here), PHASES.indexOf(rotation.phase)];
  const phase = PHASES[mine + 1];
  if (mine >= theirs || phase === undefined || phase === 'done' || phase === 'distribute')
    return { step: 'none' };
  // A phase that is over for the others needs no turn: they do not wait for us.
  const needsTurn = isVoter && ROLLING.has(phase) && phase === rotation.phase;
  if (needsTurn && rotation.turn !== self) return { step: 'wait', for: 'turn' };
  return { step: 'enter', phase };
}
