import { hkdfSync } from 'node:crypto';
import { publicKeyOf } from './ed25519.ts';

/**
 * Keys derived by HKDF-SHA256 (RFC 5869) with one label for each use, so that a key that leaks says nothing
 * about the others. A label is for ever: another derivation gets another version.
 */
export const CLUSTER_LABELS = {
  gossip: 'clusteros/gossip/v1',
  beacon: 'clusteros/beacon/v1',
  card: 'clusteros/card/v1',
  channel: 'clusteros/channel/v1',
  ca: 'clusteros/ca/v1',
  munge: 'clusteros/munge/v1',
  k3sToken: 'clusteros/k3s-token/v1',
  fingerprint: 'clusteros/fingerprint/v1',
} as const;

type ClusterKeyUse = keyof typeof CLUSTER_LABELS;

const WIREGUARD_LABEL = 'clusteros/wireguard/v1';

/** 32 bytes for one use of the cluster key. */
export function clusterSubkey(clusterKey: Uint8Array, use: ClusterKeyUse): Buffer {
  return derive(clusterKey, CLUSTER_LABELS[use]);
}

/** Eight hexadecimal digits by which people compare cluster keys without seeing them. */
export function fingerprint(clusterKey: Uint8Array): string {
  return clusterSubkey(clusterKey, 'fingerprint').toString('hex').slice(0, 8);
}

/** The WireGuard key pair of a node, made from its identity and never stored. */
export function wireguardKeys(identitySeed: Uint8Array): { privateKey: Buffer; publicKey: Buffer } {
  const privateKey = clamp(derive(identitySeed, WIREGUARD_LABEL));
  return { privateKey, publicKey: publicKeyOf('x25519', privateKey) };
}

function derive(secret: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), label, 32));
}

/** RFC 7748 section 5: `wg` prints keys in this form. */
function clamp(key: Buffer): Buffer {
  key[0] = (key[0] ?? 0) & 248;
  key[31] = ((key[31] ?? 0) & 127) | 64;
  return key;
}
