import type { EtcdClient } from '../consensus/etcd/types.ts';
import { AgentError } from '../errors.ts';
import { fingerprint } from '../identity/keys.ts';
import { PREFIX } from '../registry/keys.ts';
import { parseValue } from '../registry/records.ts';
import { type Ack, ackSchema, type Phase, type Rotation, rotationSchema } from './rotation.ts';
import { openSealed, seal } from './seal.ts';
import { END_TOKENS, endedTokens } from './token-store.ts';

const ROTATION_KEY = `${PREFIX}rotation`;
const ACKS = `${PREFIX}rotation-acks/`;
const SEALED = `${PREFIX}rotation-sealed/`;

export type RotationEtcd = Pick<EtcdClient, 'range' | 'put' | 'delete' | 'txn'>;

export interface Recipient {
  readonly id: string;
  /** base64 of its WireGuard public key, from its verified card. */
  readonly meshKey: string;
}

interface StoredRotation {
  readonly rotation: Rotation;
  /** For compare-and-swap. */
  readonly revision: string;
}

/**
 * The rotation that is under way or was the last; undefined when there never was one.
 *
 * @param serializable any member's copy will do, also one without a quorum
 */
export async function readRotation(
  etcd: Pick<RotationEtcd, 'range'>,
  { serializable = false } = {},
): Promise<StoredRotation | undefined> {
  const [kv] = (await etcd.range(ROTATION_KEY, { serializable })).kvs;
  const rotation = kv && parseValue(rotationSchema, kv.value);
  return rotation && { rotation, revision: kv.modRevision };
}

interface BegunRotation {
  readonly rotation: Rotation;
  /** Enrolment tokens that ended with it: whoever read one would get the new key. */
  readonly endedTokens: number;
}

interface BeginOptions {
  /** The number of the latest rotation that this node knows of. */
  readonly reached?: number | undefined;
  /** Also in the place of one that has not ended: the data is of a snapshot. */
  readonly instead?: boolean | undefined;
}

/**
 * Begin: seal the new key for everybody who is registered and not evicted, then write down the rotation. A crash
 * before the last step leaves nothing but sealed copies of a key that nobody uses. That step ends every enrolment token.
 *
 * @param random bytes from the system's generator
 * @throws AgentError `rotation.under-way`
 */
export async function beginRotation(
  etcd: RotationEtcd,
  recipients: readonly Recipient[],
  oldKey: Buffer,
  random: (bytes: number) => Buffer,
  now: Date,
  { reached = 0, instead = false }: BeginOptions = {},
): Promise<BegunRotation> {
  const before = await readRotation(etcd);
  if (before !== undefined && before.rotation.phase !== 'done' && !instead)
    throw underWay(before.rotation.phase);
  const newKey = random(32);
  const rotation: Rotation = {
    id: random(8).toString('hex'),
    number: Math.max(reached, before?.rotation.number ?? 0) + 1,
    phase: 'distribute',
    oldFingerprint: fingerprint(oldKey),
    newFingerprint: fingerprint(newKey),
    startedAt: now.toISOString(),
  };
  for (const { id, meshKey } of recipients) {
    const sealed = seal(newKey, Buffer.from(meshKey, 'base64'), rotation.id, random(32));
    await etcd.put(sealedKey(rotation.id, id), sealed);
  }
  const { succeeded, responses } = await etcd.txn({
    compare: [{ key: ROTATION_KEY, target: 'mod', value: before?.revision ?? '0' }],
    success: [
      ...END_TOKENS,
      { kind: 'put', key: ROTATION_KEY, value: JSON.stringify(rotation) },
      { kind: 'delete', key: ACKS, prefix: true },
    ],
  });
  if (!succeeded) {
    await etcd.delete(sealedKey(rotation.id, ''), { prefix: true });
    throw underWay('distribute');
  }
  if (before !== undefined) await etcd.delete(sealedKey(before.rotation.id, ''), { prefix: true });
  return { rotation, endedTokens: endedTokens(responses[0]) };
}

/** Our copy of the new key; undefined when there is none for us. */
export async function takeSealed(
  etcd: Pick<RotationEtcd, 'range'>,
  rotation: Rotation,
  self: string,
  meshPrivateKey: Uint8Array,
): Promise<Buffer | undefined> {
  const [kv] = (await etcd.range(sealedKey(rotation.id, self))).kvs;
  return kv && openCopy(kv.value, rotation, meshPrivateKey);
}

/** The new key in a sealed copy; undefined when it is not ours or not that key. Never throws. Pure. */
export function openCopy(
  sealed: string,
  { id, newFingerprint }: Pick<Rotation, 'id' | 'newFingerprint'>,
  meshPrivateKey: Uint8Array,
): Buffer | undefined {
  const key = openSealed(sealed, meshPrivateKey, id);
  return key?.length === 32 && fingerprint(key) === newFingerprint ? key : undefined;
}

/** A node's copy of the new key, still sealed; any member's copy of the record will do. */
export async function readSealed(
  etcd: Pick<RotationEtcd, 'range'>,
  rotation: string,
  node: string,
): Promise<string | undefined> {
  return (await etcd.range(sealedKey(rotation, node), { serializable: true })).kvs[0]?.value;
}

/** The nodes that have a copy. Whoever was registered later holds an old key and no right to the new one. */
export async function readRecipients(
  etcd: Pick<RotationEtcd, 'range'>,
  rotation: string,
): Promise<ReadonlySet<string>> {
  const prefix = sealedKey(rotation, '');
  const { kvs } = await etcd.range(prefix, { prefix: true, keysOnly: true });
  return new Set(kvs.map(({ key }) => key.slice(prefix.length)));
}

export async function readAcks(etcd: Pick<RotationEtcd, 'range'>): Promise<ReadonlyMap<string, Ack>> {
  const { kvs } = await etcd.range(ACKS, { prefix: true });
  return new Map(
    kvs.flatMap(({ key, value }) => {
      const ack = parseValue(ackSchema, value);
      return ack === undefined ? [] : [[key.slice(ACKS.length), ack] as const];
    }),
  );
}

export async function acknowledge(
  etcd: Pick<RotationEtcd, 'put'>,
  self: string,
  rotation: string,
  phase: Phase,
): Promise<void> {
  await etcd.put(`${ACKS}${self}`, JSON.stringify({ rotation, phase }));
}

/** @returns false when another driver was first */
export async function moveRotation(
  etcd: Pick<RotationEtcd, 'txn'>,
  { rotation, revision }: StoredRotation,
  to: { readonly phase: Phase } | { readonly turn: string },
): Promise<boolean> {
  const { turn: _over, ...rest } = rotation;
  const { succeeded } = await etcd.txn({
    compare: [{ key: ROTATION_KEY, target: 'mod', value: revision }],
    success: [{ kind: 'put', key: ROTATION_KEY, value: JSON.stringify({ ...rest, ...to }) }],
  });
  return succeeded;
}

function sealedKey(rotation: string, node: string): string {
  return `${SEALED}${rotation}/${node}`;
}

function underWay(phase: Phase): AgentError {
  return new AgentError({
    code: 'rotation.under-way',
    exit: 'notDone',
    message: `the cluster key is being changed already (phase ${phase})`,
    fix: 'wait for it: node-agent status',
  });
}
