import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { KnownCard } from '../engine/resources.ts';
import type { Identity } from '../identity/identity.ts';
import { wireguardKeys } from '../identity/keys.ts';
import { PREFIX } from '../registry/keys.ts';
import { registryOf } from '../registry/reduce.ts';
import { recipientsOf } from './create.ts';
import type { KeyHolder } from './held-keys.ts';
import { carryOver, loadKeptEvictions } from './kept-evictions.ts';
import { isSentWith } from './rotation.ts';
import { beginRotation, type Recipient } from './rotation-records.ts';
import { countOfTokens, END_TOKENS, endedTokens } from './token-store.ts';

interface RecoveredDeps {
  readonly state: string;
  readonly identity: Identity;
  readonly keys: KeyHolder;
  /** The verified cards of other nodes. */
  readonly cards: readonly KnownCard[];
  /** Of the mesh, such as 10.42.0.0/16. */
  readonly meshRange: string;
  readonly now: Date;
  /** From the system's generator. */
  readonly random: (bytes: number) => Buffer;
}

/**
 * What older data must not bring back, written before anybody else can reach it: nodes that were evicted stay evicted,
 * no token lets anybody in, and after a snapshot a new cluster key is begun at once, since the key of the snapshot may
 * have been replaced, and a thief may know it.
 *
 * @param etcd the recovered data, on this node alone
 * @returns sentences for the operator
 */
export async function afterRecovery(
  etcd: Pick<EtcdClient, 'range' | 'put' | 'delete' | 'txn'>,
  deps: RecoveredDeps,
  rotate: boolean,
): Promise<readonly string[]> {
  const kept = await loadKeptEvictions(deps.state);
  const carried = await carryOver(etcd, kept, deps.now);
  const said: string[] = [];
  if (carried.length > 0) {
    const names = carried.map((id) => kept.evicted[id] ?? id).join(', ');
    said.push(`Evictions that the data did not know, and that stay: ${names}.`);
  }
  if (!rotate) {
    const { responses } = await etcd.txn({ compare: [], success: END_TOKENS });
    return [...said, tokensEnded(endedTokens(responses[0]))];
  }
  const { keys, identity } = deps;
  const held = keys.now();
  // The one that others send with: during a rotation that may be the next one.
  if (held?.next !== undefined) await (isSentWith(held.next) ? keys.adopt(held.next) : keys.forgetNext());
  const current = keys.now()?.current;
  if (current === undefined) throw new Error('this node holds no cluster key');
  const recipients = await recipientsIn(etcd, deps);
  const begun = await beginRotation(etcd, recipients, current, deps.random, deps.now, {
    reached: held?.reached?.number,
    instead: true,
  });
  const { oldFingerprint, newFingerprint } = begun.rotation;
  return [
    ...said,
    tokensEnded(begun.endedTokens),
    `The cluster key changes from ${oldFingerprint} to ${newFingerprint}: node-agent events -f. Nodes that are off now need an order when they return: node-agent recover --follow ${identity.id.slice(0, 8)}`,
  ];
}

/** Whoever is registered in the data, and whoever joined after it was written. */
async function recipientsIn(
  etcd: Pick<EtcdClient, 'range'>,
  { identity, cards, meshRange }: RecoveredDeps,
): Promise<readonly Recipient[]> {
  const { registry } = registryOf((await etcd.range(PREFIX, { prefix: true })).kvs);
  const later = cards.filter(({ card }) => !registry.evicted.includes(card.id));
  const self = { id: identity.id, meshKey: wireguardKeys(identity.seed).publicKey.toString('base64') };
  const all = [
    ...recipientsOf(registry.nodes, registry.evicted, meshRange),
    ...later.map(({ card: { id, meshKey } }) => ({ id, meshKey })),
    self,
  ];
  return [...new Map(all.map((one) => [one.id, one])).values()];
}

function tokensEnded(count: number): string {
  return `Ended: ${countOfTokens(count)}; make new ones with node-agent token create.`;
}
