import type { EtcdClient, Op, OpResult } from '../consensus/etcd/types.ts';
import { AgentError, expected } from '../errors.ts';
import { KEYS } from '../registry/keys.ts';
import type { Done, EvictWish } from './operations.ts';
import { countOfTokens, END_TOKENS, endedTokens } from './token-store.ts';

interface AdmissionDeps {
  readonly etcd: Pick<EtcdClient, 'txn'>;
  readonly self: () => string | undefined;
  /** Serf's force-leave with prune: the member is forgotten at once. */
  readonly forceLeave: (id: string) => Promise<void>;
  readonly now: () => Date;
}

/**
 * Remove a node everywhere. The record in etcd is what counts: every node refuses the identity and takes it out
 * of its mesh, and the leader takes its vote.
 *
 * @param node id
 * @throws AgentError `evict.self`; EtcdError without a quorum
 */
export async function evict(deps: AdmissionDeps, node: string, wish: EvictWish = {}): Promise<Done> {
  const { name, revokeTokens = false } = wish;
  if (node === deps.self()) {
    throw new AgentError({
      code: 'evict.self',
      exit: 'usage',
      message: 'a node cannot evict itself',
      fix: 'node-agent leave; or say it on another node',
    });
  }
  const value = JSON.stringify({ at: deps.now().toISOString(), by: deps.self(), name });
  const key = KEYS.evicted(node);
  const tokens: readonly Op[] = revokeTokens
    ? END_TOKENS
    : [{ kind: 'range', key: KEYS.tokenLife(''), prefix: true, keysOnly: true }];
  const { succeeded, responses } = await deps.etcd.txn({
    compare: [{ key, target: 'create', value: '0' }],
    success: [...tokens, { kind: 'put', key, value }],
    failure: tokens,
  });
  // Serf only shows it sooner: a node that it cannot tell now is refused all the same.
  const pruned = await deps.forceLeave(node).then(
    () => true,
    (error) => expected(error, 'gossip.') ?? false,
  );
  return {
    done: `${name === undefined ? node : `${name} (${node})`} ${succeeded ? 'is evicted' : 'was evicted before'}`,
    note: [
      `${pruned ? '' : 'Gossip still lists it for a while. '}node-agent readmit ${name ?? node} takes it back.`,
      ...tokenNote(responses[0]),
      'It still knows the cluster key: node-agent key rotate makes that worthless.',
    ].join('\n'),
  };
}

/** It may have read tokens, or made some. */
function tokenNote(response: OpResult | undefined): string[] {
  if (response?.kind !== 'range') return [`Revoked: ${countOfTokens(endedTokens(response))}.`];
  const { length } = response.kvs;
  if (length === 0) return [];
  return [
    `${countOfTokens(length)} it may have read: node-agent token list, node-agent token revoke ID; key rotate ends all.`,
  ];
}

/** @throws AgentError `readmit.not-evicted`; EtcdError without a quorum */
export async function readmit({ etcd }: AdmissionDeps, node: string): Promise<Done> {
  const key = KEYS.evicted(node);
  const { succeeded } = await etcd.txn({
    compare: [{ key, target: 'create', result: '!=', value: '0' }],
    success: [{ kind: 'delete', key }],
  });
  if (succeeded) {
    return {
      done: `${node} is readmitted`,
      note: 'It joins by itself, unless the cluster key was rotated: it then needs the new one.',
    };
  }
  throw new AgentError({
    code: 'readmit.not-evicted',
    exit: 'usage',
    message: `${node} is not evicted`,
    fix: 'node-agent members',
  });
}
