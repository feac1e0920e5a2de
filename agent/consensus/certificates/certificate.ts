import { createHash, sign } from 'node:crypto';
import type { Authority } from './authority.ts';
import * as der from './der.ts';

/** Clocks of machines without a battery may be decades off: a certificate is always valid. */
const VALID = { from: new Date('2000-01-01T00:00:00Z'), to: new Date('2099-12-31T23:59:59Z') };

interface CertificateContent {
  /** 16 bytes, of which the first is not above 0x7f. */
  readonly serial: Uint8Array;
  readonly issuer: Authority;
  /** DER of the name. */
  readonly subject: Buffer;
  /** P-256, 65 bytes. */
  readonly publicPoint: Buffer;
  readonly kind: 'authority' | 'node';
  readonly addresses?: readonly string[];
  readonly dnsNames?: readonly string[];
}

/** An X.509 certificate (RFC 5280) with a P-256 key, signed by the issuer, as PEM. */
export function certificate(content: CertificateContent): string {
  const { serial, issuer, subject, publicPoint } = content;
  const signed = der.sequence(
    der.explicit(0, der.integer(Buffer.of(2))),
    der.integer(serial),
    ECDSA_WITH_SHA256,
    name(issuer.subject),
    der.sequence(der.time(VALID.from), der.time(VALID.to)),
    subject,
    der.sequence(
      der.sequence(der.oid('1.2.840.10045.2.1'), der.oid('1.2.840.10045.3.1.7')),
      der.bitString(publicPoint),
    ),
    der.explicit(3, der.sequence(...extensionsOf(content))),
  );
  const signature = sign('sha256', signed, { key: issuer.privateKey, dsaEncoding: 'der' });
  return der.pem('CERTIFICATE', der.sequence(signed, ECDSA_WITH_SHA256, der.bitString(signature)));
}

/** A name that consists of a common name alone. */
export function name(commonName: string): Buffer {
  return der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String(commonName))));
}

const ECDSA_WITH_SHA256 = der.sequence(der.oid('1.2.840.10045.4.3.2'));
const SERVER_AUTH = der.oid('1.3.6.1.5.5.7.3.1');
const CLIENT_AUTH = der.oid('1.3.6.1.5.5.7.3.2');

function extensionsOf({
  kind,
  issuer,
  publicPoint,
  addresses = [],
  dnsNames = [],
}: CertificateContent): Buffer[] {
  const keyId = createHash('sha1').update(publicPoint).digest();
  const identifiers = [
    extension('2.5.29.14', false, der.octetString(keyId)),
    extension('2.5.29.35', false, der.sequence(der.implicit(0, issuer.keyId))),
  ];
  if (kind === 'authority') {
    return [
      extension('2.5.29.19', true, der.sequence(der.boolean(true), der.integer(Buffer.of(0)))),
      // keyCertSign and cRLSign: bits 5 and 6.
      extension('2.5.29.15', true, der.bitString(Buffer.of(0b0000_0110), 1)),
      ...identifiers,
    ];
  }
  const names = [
    ...dnsNames.map((text) => der.implicit(2, Buffer.from(text, 'latin1'))),
    ...addresses.map((address) => der.implicit(7, addressBytes(address))),
  ];
  return [
    extension('2.5.29.19', true, der.sequence()),
    // digitalSignature: bit 0.
    extension('2.5.29.15', true, der.bitString(Buffer.of(0b1000_0000), 7)),
    extension('2.5.29.37', false, der.sequence(SERVER_AUTH, CLIENT_AUTH)),
    extension('2.5.29.17', false, der.sequence(...names)),
    ...identifiers,
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return der.sequence(der.oid(id), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

function addressBytes(address: string): Buffer {
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) {
    throw new RangeError(`${address} is not an IPv4 address`);
  }
  return Buffer.from(bytes);
}
