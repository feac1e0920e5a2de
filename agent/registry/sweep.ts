import type { Txn } from '../consensus/etcd/types.ts';
import type { Member } from '../engine/resources.ts';
import { KEYS } from './keys.ts';
import type { Registry } from './registry.ts';

/** A node that has left may come back at once; its address and record wait this long, its name does not. */
export const LEFT_GRACE_MS = 60_000;

/** Etcd refuses a transaction with more than 128 operations; small ones keep the leader free. */
const AT_ONCE = 64;

/**
 * What evicted nodes, those that have left and those lost for good still claim, for the Raft leader's agent to remove: each removal
 * holds only while the claim is still theirs. Pure.
 *
 * @param lost see `lostForGood`
 */
export function planSweep(
  registry: Registry,
  members: readonly Member[],
  nowMs: number,
  lost: readonly string[] = [],
): readonly Txn[] {
  const left = members.filter(({ status }) => status === 'left');
  const longGone = left.filter(({ sinceMs }) => nowMs - sinceMs > LEFT_GRACE_MS);
  const gone = new Set([...registry.evicted, ...longGone.map(({ id }) => id), ...lost]);
  const nameless = new Set([...gone, ...left.map(({ id }) => id)]);
  const addresses = Object.entries(registry.addresses)
    .map(([ip, id]) => ({ key: KEYS.address(ip), id }))
    .filter(({ id }) => gone.has(id));
  // A machine that was reset waits for its name under its new identity.
  const names = Object.entries(registry.names)
    .map(([name, id]) => ({ key: KEYS.name(name), id }))
    .filter(({ id }) => nameless.has(id));
  const removals = [...addresses, ...names].map(
    ({ key, id }): Txn => ({
      compare: [{ key, target: 'value', value: id }],
      success: [{ kind: 'delete', key }],
    }),
  );
  const ownKeys = (ids: readonly string[], keyOf: (id: string) => string): Txn[] =>
    ids
      .filter((id) => gone.has(id))
      .map((id) => ({ compare: [], success: [{ kind: 'delete', key: keyOf(id) }] }));
  return [
    ...removals,
    ...ownKeys(Object.keys(registry.timers?.reports ?? {}), KEYS.timersOf),
    ...ownKeys(Object.keys(registry.labels ?? {}), KEYS.labels),
    // The record goes last: when a pass ends in the middle, the next one still knows who is lost.
    ...ownKeys(
      registry.nodes.map(({ id }) => id),
      KEYS.node,
    ),
  ].slice(0, AT_ONCE);
}
