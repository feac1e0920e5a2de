import type { View } from '../engine/controller.ts';
import type { Facts } from '../gather.ts';
import { clusterSubkey } from '../identity/keys.ts';
import type { KeyHolder } from './held-keys.ts';
import { certificateKeys, type HeldKeys, keysInUse } from './rotation.ts';

/** The cluster keys in the forms in which the other parts take them, as of the moment when they are asked. */
interface KeyUses {
  /** For discovery: the one to send with first. */
  clusterKeys(): readonly Buffer[] | undefined;
  /** For Serf. Each node has its own started again: Serf would send the new key to all who hold the old one. */
  keyring(facts: Facts): readonly Uint8Array[];
  /** For etcd's certificates: the one that signs first. */
  caKeys(view: View): readonly Uint8Array[];
}

export function keyUses(keys: Pick<KeyHolder, 'now'>): KeyUses {
  const heldOr = (key: Facts['key'] | undefined): HeldKeys | undefined =>
    keys.now() ?? (Buffer.isBuffer(key) ? { current: key } : undefined);
  return {
    clusterKeys: () => {
      const held = keys.now();
      return held && keysInUse(held);
    },
    keyring: ({ key }) => gossipKeys(heldOr(key)),
    caKeys: (view) => caKeysOf(heldOr(view.get('facts')?.key)),
  };
}

/** Pure. */
export function gossipKeys(held: HeldKeys | undefined): readonly Buffer[] {
  return held === undefined ? [] : keysInUse(held).map((key) => clusterSubkey(key, 'gossip'));
}

/** The one that signs, then whoever else is trusted. Pure. */
export function caKeysOf(held: HeldKeys | undefined): readonly Buffer[] {
  if (held === undefined) return [];
  const { leaf, trusted } = certificateKeys(held);
  return [leaf, ...trusted.filter((key) => !key.equals(leaf))].map((key) => clusterSubkey(key, 'ca'));
}
