import * as z from 'zod';
import { AgentError } from '../errors.ts';
import { KEYS } from '../registry/keys.ts';
import { majorityOf } from './last-voters.ts';
import { PHASES, type Phase } from './rotation.ts';
import { openCopy, type RotationEtcd, readRotation, readSealed } from './rotation-records.ts';

/** How a node that slept through a change of the cluster key gets the new one from those that did not. */

interface RekeyServerDeps {
  readonly etcd: Pick<RotationEtcd, 'range'>;
  /** Fingerprints of the keys that count now. */
  readonly fingerprints: () => readonly string[];
}

interface RekeyAnswer {
  readonly rotation: string;
  readonly number: number;
  readonly phase: Phase;
  readonly newFingerprint: string;
  /** See `seal.ts`: only the node itself can open it. */
  readonly sealed: string;
}

const answerSchema = z.object({
  rotation: z.string().regex(/^[0-9a-f]{16}$/),
  number: z.int().min(0).max(1_000_000_000).default(0),
  phase: z.enum(PHASES),
  newFingerprint: z.string().regex(/^[0-9a-f]{8}$/),
  sealed: z.string().max(1024),
});

/**
 * What a member answers. The channel has made sure that the other one holds a replaced key and the private key
 * of its id; here counts that a copy was sealed for it when the change began, which is done for registered nodes
 * that are not evicted. This member's own view of etcd will do, even without a quorum: it holds the new key, so
 * it has seen the change, and what was evicted before.
 *
 * @throws AgentError `rekey.*`, told to the other side; EtcdError
 */
export async function answerRekey(
  { etcd, fingerprints }: RekeyServerDeps,
  node: string,
  replacedKey: string | undefined,
): Promise<RekeyAnswer> {
  if (replacedKey === undefined) throw refuse('rekey.no-key', 'it names no replaced key');
  const stored = await readRotation(etcd, { serializable: true });
  if (stored === undefined) throw refuse('rekey.none', 'the cluster key was never changed');
  const { id, number, phase, newFingerprint } = stored.rotation;
  if (newFingerprint === replacedKey) throw refuse('rekey.same', 'that is the cluster key of now');
  if (!fingerprints().includes(newFingerprint)) {
    throw refuse('rekey.behind', 'this node does not hold the newest key itself yet');
  }
  const evicted = (await etcd.range(KEYS.evicted(node), { serializable: true })).kvs.length > 0;
  if (evicted) throw refuse('rekey.evicted', `evicted: node ${node} was removed from the cluster`);
  const sealed = await readSealed(etcd, id, node);
  if (sealed === undefined) {
    throw refuse('rekey.unknown', `node ${node} was not registered when the key was changed`);
  }
  return { rotation: id, number, phase, newFingerprint, sealed };
}

function refuse(code: string, message: string): AgentError {
  return new AgentError({ code, exit: 'refused', message });
}

/** The new key as one member gave it. */
export interface Given {
  readonly rotation: string;
  readonly number: number;
  readonly phase: Phase;
  readonly key: Buffer;
}

/** Read an answer; undefined when there is no key for us in it. Never throws. Pure. */
export function readGiven(answer: unknown, meshPrivateKey: Uint8Array): Given | undefined {
  const { data } = answerSchema.safeParse(answer);
  if (data === undefined) return undefined;
  const { rotation, number, phase, newFingerprint, sealed } = data;
  const key = openCopy(sealed, { id: rotation, newFingerprint }, meshPrivateKey);
  return key && { rotation, number, phase, key };
}

/**
 * The key that counts: one that a majority of the voters gave who voted when this node last saw a quorum. Others who
 * have come to be known since may be inventions of a machine that was evicted meanwhile: it holds our old key, too.
 * Pure.
 *
 * @param given by node id
 * @param vouched one that an operator told us to follow: it is believed alone
 */
export function believed(
  given: ReadonlyMap<string, Given>,
  voters: readonly string[],
  vouched?: string,
): Given | undefined {
  const ordered = vouched === undefined ? undefined : given.get(vouched);
  if (ordered !== undefined) return ordered;
  const voices = [...given].filter(([id]) => voters.includes(id)).map(([, one]) => one);
  return voices
    .filter(({ key }) => voices.filter((other) => other.key.equals(key)).length >= majorityOf(voters))
    .sort((a, b) => PHASES.indexOf(b.phase) - PHASES.indexOf(a.phase))[0];
}
