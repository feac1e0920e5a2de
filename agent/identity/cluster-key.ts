import { readText } from '../../settings/text.ts';
import { AgentError } from '../errors.ts';
import { decodeKey } from './identity.ts';
import { fingerprint } from './keys.ts';

/** A cluster key as it was found, or why it is none. Reasons never repeat any part of the text. */
export type KeyReading =
  | { readonly key: Buffer; readonly reason?: undefined }
  | { readonly key?: undefined; readonly reason: string };

/**
 * Read a cluster key: base64 of exactly 32 bytes, not all zero. White space round it, a byte order mark and UTF-16
 * are allowed, since people edit the seed by hand on any system. Pure.
 */
export function readKey(bytes: Uint8Array | string): KeyReading {
  const reading = typeof bytes === 'string' ? { text: bytes } : readText(bytes);
  const text = reading.text?.replace(/^\ufeff/, '').trim();
  if (text === undefined) return { reason: 'it is not text; expected base64 of 32 bytes (44 characters)' };
  if (text === '') return { reason: 'it is empty; expected base64 of 32 bytes' };
  if (/^[0-9a-fA-F]{64}$/.test(text))
    return { reason: 'it is hexadecimal; expected base64 of 32 bytes (44 characters)' };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    return { reason: 'it is not base64; expected base64 of 32 bytes (44 characters)' };
  const key = decodeKey(text);
  if (key === undefined) {
    const length = Buffer.from(text, 'base64').length;
    return length === 32
      ? { reason: 'its base64 is not in canonical form (44 characters ending in =)' }
      : { reason: `it decodes to ${length} bytes; expected base64 of exactly 32 bytes` };
  }
  if (key.every((byte) => byte === 0)) return { reason: 'all its bytes are zero; expected random bytes' };
  return { key };
}

/** What becomes of a key that is offered to a node. */
type KeyVerdict =
  | { readonly outcome: 'taken'; readonly key: Buffer }
  | { readonly outcome: 'held' }
  | { readonly outcome: 'refused'; readonly reason: string };

/** A node keeps its first key: another one would cut it off from its cluster. Pure. */
export function judgeKey(held: Buffer | undefined, offered: KeyReading): KeyVerdict {
  if (offered.key === undefined) return { outcome: 'refused', reason: offered.reason };
  if (held === undefined) return { outcome: 'taken', key: offered.key };
  if (held.equals(offered.key)) return { outcome: 'held' };
  return {
    outcome: 'refused',
    reason: `it is another cluster's key (${fingerprint(offered.key)}); this node holds ${fingerprint(held)}`,
  };
}

/** The error of a held key that cannot be trusted. */
export function damagedKey(path: string, reason: string): AgentError {
  return new AgentError({
    code: 'key.corrupted',
    exit: 'refused',
    message: `${path} is not a cluster key`,
    evidence: reason,
    fix: `restore the file; or remove it and offer the key again: rm ${path} && systemctl restart node-agent`,
  });
}
