import assert from 'node:assert/strict';
import { test } from 'node:test';
import { x25519 } from '@noble/curves/ed25519.js';
import { CLUSTER_LABELS, clusterSubkey, fingerprint, wireguardKeys } from './keys.ts';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index));

/** Computed once with Python's hmac, by RFC 5869: these must never change, or a cluster would fall apart. */
const EXPECTED = {
  gossip: '4d55326eac169f3a26ddbe2a02d81a948a74fdf7337e9c8c8a22d381d985730a',
  beacon: '8457173f5c1681bc81a55fa6aad0a63a07aea50bed282a7865c81b09726e2ae7',
  card: '86e29e11d7afcf12443e1ffbae2745179fc4f89d712a2d077c2c6aee5edb18ca',
  channel: '7a017137645e17838aac347c438af201cd312901b265a24091a2238eb4efbaa3',
  ca: '8e58b7efa40094685026d9142e2661103350a7447e04aa1338193ec093a3f6fc',
  munge: 'ee446638724588768f297dac1594ce324754849abfc0e97359879c85645b46d0',
  k3sToken: '6dc7abe6cabb779430605b045c8b2ec2e2410d929413d92597056dbdb84d0f39',
  fingerprint: '20450c17e0a7522a61f8793e6c5f245e970094e86e063e51b2ce2c7a765b2727',
} as const;

test('each use of the cluster key has its own subkey, the same for ever', () => {
  for (const use of Object.keys(CLUSTER_LABELS) as (keyof typeof CLUSTER_LABELS)[]) {
    assert.equal(clusterSubkey(KEY, use).toString('hex'), EXPECTED[use], use);
  }
  assert.equal(new Set(Object.values(EXPECTED)).size, Object.keys(CLUSTER_LABELS).length);
});

test('a fingerprint is eight digits of a derivation and no part of the key', () => {
  assert.equal(fingerprint(KEY), '20450c17');
});

test('the WireGuard key is clamped, stable, and its public half agrees with another implementation', () => {
  const { privateKey, publicKey } = wireguardKeys(KEY);
  const derived = Buffer.from('96010b8ca87050c3a2840b16650d9bd464e27a32248911605f394466165fdf57', 'hex');
  derived[0] = 0x96 & 248;
  derived[31] = (0x57 & 127) | 64;
  assert.equal(privateKey.toString('hex'), derived.toString('hex'));
  assert.deepEqual(publicKey, Buffer.from(x25519.getPublicKey(privateKey)));
});
