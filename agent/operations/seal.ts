import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { publicKeyOf } from '../identity/ed25519.ts';

/**
 * A secret that only one node can read: X25519 with its mesh key, HKDF-SHA256, AES-256-GCM. A machine that was
 * evicted knows the old cluster key, and could read all of etcd with it; it cannot open this.
 */

const LABEL = 'clusteros/seal/v1';
const PUBLIC_BYTES = 32;
const TAG_BYTES = 16;

/**
 * @param to the node's WireGuard public key, 32 bytes
 * @param context what the secret is for; opening needs the same
 * @param ephemeral 32 random bytes, used for nothing else
 * @returns base64 of ephemeral public key, tag and ciphertext
 */
export function seal(secret: Uint8Array, to: Uint8Array, context: string, ephemeral: Uint8Array): string {
  const from = publicKeyOf('x25519', ephemeral);
  const cipher = createCipheriv('aes-256-gcm', sharedKey(ephemeral, to, from, to, context), NONCE);
  const text = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Buffer.concat([from, cipher.getAuthTag(), text]).toString('base64');
}

/** The secret, or undefined when it is not for this key and context, or was altered. Never throws. */
export function openSealed(sealed: string, privateKey: Uint8Array, context: string): Buffer | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length <= PUBLIC_BYTES + TAG_BYTES || bytes.length > 4096) return undefined;
  const from = bytes.subarray(0, PUBLIC_BYTES);
  try {
    const key = sharedKey(privateKey, from, from, publicKeyOf('x25519', privateKey), context);
    const decipher = createDecipheriv('aes-256-gcm', key, NONCE);
    decipher.setAuthTag(bytes.subarray(PUBLIC_BYTES, PUBLIC_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(PUBLIC_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    // A point of low order, or another's text: there is nothing to tell them apart by.
    return undefined;
  }
}

/** Each key is used for one message: its nonce may stand still. */
const NONCE = Buffer.alloc(12);

function sharedKey(
  own: Uint8Array,
  other: Uint8Array,
  from: Uint8Array,
  to: Uint8Array,
  context: string,
): Buffer {
  const secret = diffieHellman({ privateKey: privateX25519(own), publicKey: publicX25519(other) });
  const info = Buffer.concat([Buffer.from(`${LABEL}|${context}|`), from, to]);
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, 32));
}

function privateX25519(key: Uint8Array): KeyObject {
  const d = Buffer.from(key).toString('base64url');
  const x = publicKeyOf('x25519', key).toString('base64url');
  return createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d, x }, format: 'jwk' });
}

function publicX25519(key: Uint8Array): KeyObject {
  const x = Buffer.from(key).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}
