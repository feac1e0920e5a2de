import {
  type DriverScene,
  drive,
  type FollowerScene,
  follow,
  type HeldKeys,
  isPast,
  type Rotation,
  type RotationMark,
} from './rotation.ts';
import {
  acknowledge,
  moveRotation,
  type RotationEtcd,
  readAcks,
  readRecipients,
  readRotation,
  takeSealed,
} from './rotation-records.ts';

/** What a rotation needs of the other parts of the agent. All are idempotent, and safe to repeat after a crash. */
export interface RotationHooks {
  /** The keys on the disk: {@link file://./held-keys.ts}. */
  readonly store: {
    load(): Promise<HeldKeys | undefined>;
    holdNext(next: NonNullable<HeldKeys['next']>): Promise<void>;
    adopt(next: NonNullable<HeldKeys['next']>): Promise<void>;
    forgetNext(): Promise<void>;
    reach(mark: RotationMark): Promise<void>;
  };
  /**
   * Have the peer channel, the beacon, cards and Serf be as `keysInUse` says, and etcd's files as
   * `certificateKeys` says. True when they are so, and etcd, when it runs here, serves with them.
   */
  readonly apply: (held: HeldKeys) => Promise<boolean>;
  readonly fingerprint: (key: Buffer) => string;
}

interface RotationSelf {
  readonly id: string;
  readonly meshPrivateKey: Uint8Array;
  readonly isVoter: boolean;
  /** The Raft leader is on this node: its agent drives. */
  readonly drives: boolean;
}

type RotationScene = Pick<DriverScene, 'alive' | 'voters' | 'quorum'>;

export interface PassResult {
  readonly rotation: Rotation | undefined;
  /** Something was done: come again at once. */
  readonly moved: boolean;
  /** Why nothing moves, and for which nodes it waits. */
  readonly waitsFor?: { readonly nodes: readonly string[]; readonly reason: string } | undefined;
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
  const rotation = stored?.rotation;
  if (isPast(rotation, held.reached)) return { rotation, moved: false };
  const own = OWN_WAITS[followed];
  const waitsFor = own === undefined ? undefined : { nodes: [self.id], reason: own };
  if (stored === undefined || rotation === undefined || followed === 'moved' || !self.drives) {
    return { rotation, moved: followed === 'moved', waitsFor };
  }
  const recipients = await readRecipients(etcd, rotation.id);
  const alive = scene.alive.filter((id) => recipients.has(id));
  const next = drive(rotation, { ...scene, alive, self: self.id, acks });
  if (next.step === 'advance')
    return { rotation, moved: await moveRotation(etcd, stored, { phase: next.phase }) };
  if (next.step === 'turn') return { rotation, moved: await moveRotation(etcd, stored, { turn: next.node }) };
  if (next.step === 'none') return { rotation, moved: false, waitsFor };
  return { rotation, moved: false, waitsFor: waitsFor ?? { nodes: next.missing, reason: next.reason } };
}

type Followed = 'moved' | 'nothing' | 'no-copy' | 'not-applied';

const OWN_WAITS: Readonly<Partial<Record<Followed, string>>> = {
  'no-copy': 'no copy of the new key: not registered, or evicted, when the change began',
  'not-applied': 'its engines do not run with the keys of this phase yet',
};

async function takeStep(
  step: ReturnType<typeof follow>,
  rotation: Rotation | undefined,
  etcd: RotationEtcd,
  { store, apply }: RotationHooks,
  self: RotationSelf,
  held: HeldKeys,
): Promise<Followed> {
  if (step.step === 'forget') {
    await store.forgetNext();
    return 'moved';
  }
  if (rotation === undefined) return 'nothing';
  if (step.step === 'reach') {
    await store.reach(rotation);
    return 'moved';
  }
  if (step.step === 'take') {
    const key = await takeSealed(etcd, rotation, self.id, self.meshPrivateKey);
    if (key === undefined) return 'no-copy';
    await store.reach(rotation);
    await store.holdNext({ rotation: rotation.id, phase: 'distribute', key });
    return 'moved';
  }
  if (step.step === 'acknowledge') {
    if (!(await apply(held))) return 'not-applied';
    await acknowledge(etcd, self.id, rotation.id, step.phase);
    return 'moved';
  }
  if (held.next === undefined) return 'nothing';
  if (step.step === 'settle') {
    await store.adopt(held.next);
    return 'moved';
  }
  if (step.step === 'enter') {
    await store.holdNext({ ...held.next, phase: step.phase });
    return 'moved';
  }
  if (step.step === 'adopt') {
    if (!(await apply(held))) return 'not-applied';
    await store.adopt(held.next);
    return 'moved';
  }
  return 'nothing';
}
