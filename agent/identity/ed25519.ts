import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as rawSign,
  verify as rawVerify,
} from 'node:crypto';

/**
 * Ed25519 (RFC 8032) and X25519 (RFC 7748) on raw 32-byte keys, by OpenSSL inside Node.
 */

/** PKCS #8 around a raw private key, RFC 8410 section 7. */
const PKCS8 = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
} as const;

/** The public key, 32 bytes, that belongs to a 32-byte seed. */
export function publicKeyOf(kind: keyof typeof PKCS8, seed: Uint8Array): Buffer {
  const { x } = createPublicKey(privateKey(kind, seed)).export({ format: 'jwk' });
  return Buffer.from(String(x), 'base64url');
}

/** A signature of 64 bytes over the message. */
export function sign(seed: Uint8Array, message: Uint8Array): Buffer {
  return rawSign(null, message, privateKey('ed25519', seed));
}

/** False for whatever is not a signature of this key over this message; never throws on hostile input. */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const x = Buffer.from(publicKey).toString('base64url');
    return rawVerify(
      null,
      message,
      createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
      signature,
    );
  } catch {
    // OpenSSL refuses to load some public keys: nothing verifies under them.
    return false;
  }
}

function privateKey(kind: keyof typeof PKCS8, seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new Error(`a private key has 32 bytes, not ${seed.length}`);
  return createPrivateKey({ key: Buffer.concat([PKCS8[kind], seed]), format: 'der', type: 'pkcs8' });
}
