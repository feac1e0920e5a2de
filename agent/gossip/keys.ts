import type { KeyAnswer } from './rpc/bodies.ts';
import type { SerfClient } from './rpc/client.ts';

export interface RotationView {
  /** From `list-keys`. */
  readonly keys: KeyAnswer;
  /** Base64. */
  readonly oldKey: string;
  readonly newKey: string;
  /** How many members are alive and must have answered. */
  readonly alive: number;
  /** `use-key` has succeeded on all nodes: before 0.10 Serf does not tell who sends with which key. */
  readonly usedEverywhere: boolean;
}

export type RotationStep =
  | { readonly step: 'install' | 'use' | 'remove' | 'done' }
  | { readonly step: 'wait'; readonly reason: string };

/**
 * The next step from one gossip key to another. Pure. The old key stays until all nodes have the new one and
 * send with it: a node that dies in between comes back with either.
 */
export function planRotation({ keys, oldKey, newKey, alive, usedEverywhere }: RotationView): RotationStep {
  const wait = (reason: string): RotationStep => ({ step: 'wait', reason });
  if (keys.errors > 0) return wait(`${keys.errors} nodes report a failure: ${firstMessage(keys)}`);
  if (keys.answers < keys.nodes || keys.answers < alive) {
    return wait(`${keys.answers} of ${Math.max(keys.nodes, alive)} nodes have answered`);
  }
  if ((keys.keys[newKey] ?? 0) < keys.answers) return { step: 'install' };
  const told = Object.keys(keys.primaryKeys).length > 0;
  const used = told ? (keys.primaryKeys[newKey] ?? 0) >= keys.answers : usedEverywhere;
  if (!used) return { step: 'use' };
  return { step: (keys.keys[oldKey] ?? 0) > 0 ? 'remove' : 'done' };
}

/** All nodes that answer have exactly this key and no other. Pure. */
export function isUnanimous(keys: KeyAnswer, key: string): boolean {
  return (
    keys.errors === 0 &&
    keys.answers === keys.nodes &&
    Object.keys(keys.keys).length === 1 &&
    keys.keys[key] === keys.answers
  );
}

/** Every node takes the key, none sends with it yet. @throws AgentError when one of them did not */
export const installEverywhere = (serf: SerfClient, key: string) => serf.installKey(key);

/** Every node sends with the key. @throws AgentError when one of them did not: the others do already */
export const useEverywhere = (serf: SerfClient, key: string) => serf.useKey(key);

/** Every node forgets the key. @throws AgentError when one of them did not, since it still sends with it */
export const removeEverywhere = (serf: SerfClient, key: string) => serf.removeKey(key);

function firstMessage({ messages }: KeyAnswer): string {
  const [first] = Object.entries(messages);
  return first === undefined ? 'no reason given' : `${first[0]}: ${first[1]}`;
}
