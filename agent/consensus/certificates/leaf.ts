import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { type Authority, pointOf } from './authority.ts';
import { certificate, name } from './certificate.ts';

export interface LeafWish {
  readonly nodeId: string;
  /** Where etcd is reached; peers compare it with the address that a connection comes from. */
  readonly meshAddress: string;
}

/**
 * A new key and a certificate for etcd's server, its peers and its clients alike: etcd's gateway presents the
 * server's certificate as a client.
 */
export function mintLeaf(authority: Authority, wish: LeafWish): { certificate: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const serial = randomBytes(16);
  // Positive, and never shorter for a zero in front.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return {
    certificate: certificate({
      serial,
      issuer: authority,
      subject: name(wish.nodeId),
      publicPoint: pointOf(publicKey),
      kind: 'node',
      addresses: addressesOf(wish),
      dnsNames: dnsNamesOf(wish),
    }),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/**
 * Do this certificate and key serve the wish, under this authority? False for whatever cannot be read. Pure.
 */
export function serves(
  found: { readonly certificate: string; readonly key: string },
  authority: Authority,
  wish: LeafWish,
): boolean {
  try {
    const leaf = new X509Certificate(found.certificate);
    return (
      leaf.subject === `CN=${wish.nodeId}` &&
      leaf.subjectAltName === namesOf(wish) &&
      isBy(leaf, authority) &&
      leaf.checkPrivateKey(createPrivateKey(found.key))
    );
  } catch {
    return false;
  }
}

/** Has the authority signed it, with its own name? Pure. */
export function isBy(found: X509Certificate, authority: Authority): boolean {
  return found.issuer === `CN=${authority.subject}` && found.verify(createPublicKey(authority.privateKey));
}

/** As Node prints them. */
function namesOf(wish: LeafWish): string {
  return [
    ...dnsNamesOf(wish).map((dns) => `DNS:${dns}`),
    ...addressesOf(wish).map((address) => `IP Address:${address}`),
  ].join(', ');
}

function dnsNamesOf({ nodeId }: LeafWish): string[] {
  return [dnsNameOf(nodeId), 'localhost'];
}

/** A host name for an id: base58 has upper and lower case, DNS has not. */
function dnsNameOf(nodeId: string): string {
  return `node-${createHash('sha256').update(nodeId).digest('hex').slice(0, 32)}.clusteros.internal`;
}

function addressesOf({ meshAddress }: LeafWish): string[] {
  return [...new Set([meshAddress, '127.0.0.1'])];
}
