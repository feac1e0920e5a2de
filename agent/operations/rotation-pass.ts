import type { Phase, Rotation } from './rotation.ts';
import { type DriverScene, drive, type FollowerScene, follow, type HeldKeys } from './rotation.ts';
import {
  acknowledge,
  moveRotation,
  type RotationEtcd,
  readAcks,
  readRotation,
  takeSealed,
} from './rotation-records.ts';

/** What a rotation needs of the other parts of the agent. All are idempotent, and safe to repeat after a crash. */
export interface RotationHooks {
  /** The keys on the disk: {@link file://./rotation-store.ts}. */
  readonly store: {
    load(): Promise<HeldKeys | undefined>;
    holdNext(next: NonNullable<HeldKeys['next']>): Promise<void>;
    adopt(next: NonNullable<HeldKeys['next']>): Promise<void>;
    forgetNext(): Promise<void>;
  };
  /**
   * Make the peer channel, the beacon and cards as `keysInUse` says, and etcd's files as `certificateKeys` says.
   * Settles when they are so, and etcd, when it runs here, serves again.
   */
  readonly apply: (held: HeldKeys) => Promise<void>;
  readonly gossip: {
    /** How far Serf is, over the whole cluster. */
    state(oldKey: Buffer | undefined, newKey: Buffer): Promise<DriverScene['gossip']>;
    /** One step: install and use the new key everywhere, or remove the old one everywhere. */
    move(wanted: 'new' | 'only-new', oldKey: Buffer | undefined, newKey: Buffer): Promise<void>;
  };
  readonly fingerprint: (key: Buffer) => string;
}

export interface RotationSelf {
  readonly id: string;
  readonly meshPrivateKey: Uint8Array;
  readonly isVoter: boolean;
  /** The Raft leader is on this node: its agent drives. */
  readonly drives: boolean;
}

export type RotationScene = Pick<DriverScene, 'alive' | 'voters' | 'quorum'>;

export interface PassResult {
  readonly rotation: Rotation | undefined;
  /** Something was done: come again at once. */
  readonly moved: boolean;
  /** Why nothing moves, for a condition. */
  readonly waitsFor?: string | undefined;
}

/**
 * One pass over the rotation in etcd: at most one step as a follower, at most one as the driver.
 *
 * @throws what the hooks and etcd throw; the next pass goes on
 */
export async function rotationPass(
  etcd: RotationEtcd,
  hooks: RotationHooks,
  self: RotationSelf,
  scene: RotationScene,
): Promise<PassResult> {
  const stored = await readRotation(etcd);
  const held = await hooks.store.load();
  if (held === undefined) return { rotation: stored?.rotation, moved: false };
  const acks = stored === undefined ? new Map<string, never>() : await readAcks(etcd);
  const step = follow(stored?.rotation, {
    self: self.id,
    isVoter: self.isVoter,
    held,
    heldFingerprint: hooks.fingerprint(held.current),
    ack: acks.get(self.id),
  } satisfies FollowerScene);
  const followed = await takeStep(step, stored?.rotation, etcd, hooks, self, held);
  if (stored === undefined || followed !== 'nothing' || !self.drives) {
    return {
      rotation: stored?.rotation,
      moved: followed === 'moved',
      waitsFor: followed === 'no-copy' ? NO_COPY : undefined,
    };
  }
  const { rotation } = stored;
  const newKey = held.next?.key ?? held.current;
  const oldKey = held.next === undefined ? undefined : held.current;
  const next = drive(rotation, {
    ...scene,
    self: self.id,
    acks,
    gossip:
      rotation.phase === 'use' || rotation.phase === 'drop'
        ? await hooks.gossip.state(oldKey, newKey)
        : 'old',
  });
  if (next.step === 'advance')
    return { rotation, moved: await moveRotation(etcd, stored, { phase: next.phase }) };
  if (next.step === 'turn') return { rotation, moved: await moveRotation(etcd, stored, { turn: next.node }) };
  if (next.step === 'gossip') {
    await hooks.gossip.move(next.wanted, oldKey, newKey);
    return { rotation, moved: true };
  }
  return { rotation, moved: false, waitsFor: next.step === 'wait' ? waitWords(next) : undefined };
}

const NO_COPY =
  'a copy of the new cluster key for this node: it was not registered, or evicted, when the change began';

function waitWords({ missing, reason }: { missing: readonly string[]; reason: string }): string {
  return missing.length === 0 ? reason : `${missing.map((id) => id.slice(0, 8)).join(', ')}: ${reason}`;
}

async function takeStep(
  step: ReturnType<typeof follow>,
  rotation: Rotation | undefined,
  etcd: RotationEtcd,
  { store, apply }: RotationHooks,
  self: RotationSelf,
  held: HeldKeys,
): Promise<'moved' | 'nothing' | 'no-copy'> {
  if (step.step === 'forget') {
    await store.forgetNext();
    return 'moved';
  }
  if (rotation === undefined) return 'nothing';
  if (step.step === 'take') {
    const key = await takeSealed(etcd, rotation, self.id, self.meshPrivateKey);
    if (key === undefined) return 'no-copy';
    await store.holdNext({ rotation: rotation.id, phase: 'distribute', key });
    return 'moved';
  }
  if (step.step === 'acknowledge') {
    await apply(held);
    await acknowledge(etcd, self.id, rotation.id, step.phase as Phase);
    return 'moved';
  }
  if (held.next === undefined) return 'nothing';
  if (step.step === 'enter') {
    await store.holdNext({ ...held.next, phase: step.phase });
    return 'moved';
  }
  if (step.step === 'adopt') {
    await apply(held);
    await store.adopt(held.next);
    return 'moved';
  }
  return 'nothing';
}
