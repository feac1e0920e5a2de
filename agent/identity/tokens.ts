import { hkdfSync } from 'node:crypto';
import { readText } from '../../settings/text.ts';

/**
 * Enrolment tokens: `<id>.<secret>`, shown once. The cluster keeps a key derived from the secret, which is
 * enough to let its owner in and not enough to make the text again.
 */

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const ID_LENGTH = 8;
/** 140 bits. */
const SECRET_LENGTH = 24;
const LABEL = 'clusteros/token/v1';
const TEXT = /^([1-9A-HJ-NP-Za-km-z]{8})\.([1-9A-HJ-NP-Za-km-z]{24})$/;

interface TokenText {
  readonly id: string;
  readonly secret: string;
}

/** @param random bytes from the system's generator */
export function makeToken(random: (bytes: number) => Uint8Array): TokenText {
  return { id: base58Text(ID_LENGTH, random), secret: base58Text(SECRET_LENGTH, random) };
}

export function tokenText({ id, secret }: TokenText): string {
  return `${id}.${secret}`;
}

/** A token as people paste it: white space round it is allowed. Undefined when it is none. */
export function parseToken(text: string): TokenText | undefined {
  const [, id, secret] = TEXT.exec(text.replace(/^\ufeff/, '').trim()) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** The same in a file, as `node-agent token create` printed it: it says more below the token, which people save too. */
export function parseTokenFile(bytes: Uint8Array): TokenText | undefined {
  const [line = ''] = (readText(bytes).text ?? '').trimStart().split('\n', 1);
  return parseToken(line);
}

/** The pre-shared key of the enrolment's channel: 32 bytes, HKDF-SHA256 with the id as salt. */
export function tokenKey({ id, secret }: TokenText): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, id, LABEL, 32));
}

/** Evenly distributed: bytes that would favour some letters are drawn again. */
function base58Text(length: number, random: (bytes: number) => Uint8Array): string {
  let text = '';
  while (text.length < length) {
    for (const byte of random(length)) {
      if (byte < 58 * 4 && text.length < length) text += ALPHABET[byte % 58];
    }
  }
  return text;
}
