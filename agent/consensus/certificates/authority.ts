import { createECDH, createHash, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';
import { certificate, name } from './certificate.ts';

/**
 * The cluster's certificate authority: every node derives the same key from the cluster key, so none of them
 * has to be asked, and none keeps it on disk.
 */
export interface Authority {
  readonly privateKey: KeyObject;
  /** Key identifier of RFC 5280, 4.2.1.2 (1): SHA-1 of the public point. */
  readonly keyId: Buffer;
  /** The issuer's name in its certificates; differs for each cluster key. */
  readonly subject: string;
}

const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const SCALAR_LABEL = 'clusteros/ca-p256-scalar/v1';

/**
 * @param caKey the cluster key's subkey `ca`, 32 bytes
 * @throws RangeError for a key of another size
 */
export function authorityFrom(caKey: Uint8Array): Authority {
  if (caKey.length !== 32) throw new RangeError(`a CA key of ${caKey.length} bytes`);
  const { privateKey, point } = p256Key(scalarFrom(caKey));
  const keyId = createHash('sha1').update(point).digest();
  return { privateKey, keyId, subject: `Cluster-OS ${keyId.toString('hex').slice(0, 16)}` };
}

/**
 * The authority's own certificate, PEM. The same on every node but for ECDSA's random part: two of them are
 * interchangeable, for what counts is the key and the name.
 */
export function authorityCertificate(authority: Authority): string {
  return certificate({
    serial: Buffer.concat([Buffer.of(1), authority.keyId.subarray(0, 15)]),
    issuer: authority,
    subject: name(authority.subject),
    publicPoint: pointOf(authority.privateKey),
    kind: 'authority',
  });
}

/** RFC 9380, 5.3: 16 bytes more than the order has make the bias of the remainder negligible. Pure. */
export function scalarFrom(caKey: Uint8Array): Buffer {
  const wide = Buffer.from(hkdfSync('sha256', caKey, Buffer.alloc(0), SCALAR_LABEL, 48));
  const scalar = (BigInt(`0x${wide.toString('hex')}`) % (ORDER - 1n)) + 1n;
  return Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex');
}

function p256Key(scalar: Buffer): { privateKey: KeyObject; point: Buffer } {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(scalar);
  const point = ecdh.getPublicKey();
  const privateKey = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      d: scalar.toString('base64url'),
      x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url'),
    },
  });
  return { privateKey, point };
}

/** The uncompressed public point, 65 bytes, of a P-256 key. */
export function pointOf(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
}
