import type { Refused } from './envelope.ts';

/**
 * What a failed handshake says about the one who connected to us. Undefined for what is no attempt to get in:
 * a connection that was closed or went silent, as port scanners and health checks make. Pure.
 *
 * @param code of OpenSSL as Node has it, or ours
 */
export function refusalOfClient(code: string): Refused | undefined {
  switch (code) {
    case 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC':
    case 'ERR_SSL_DIGEST_CHECK_FAILED':
      return { code: 'other-key', reason: 'its cluster key is another' };
    case 'ERR_SSL_NO_SHARED_CIPHER':
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_NO_PROTOCOLS_AVAILABLE':
      return { code: 'no-key', reason: 'it speaks TLS, but not with a cluster key' };
    case 'ERR_SSL_HTTP_REQUEST':
      return { code: 'no-key', reason: 'it speaks HTTP without TLS' };
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return { code: 'no-key', reason: 'it does not speak the peer protocol' };
    case 'TOO_LARGE':
      return { code: 'oversized', reason: 'its request is larger than allowed' };
    default:
      return undefined;
  }
}

/** Alerts by which a server says that it does not know or accept our key, RFC 5246 section 7.2, RFC 4279. */
const KEY_ALERTS = new Set([20, 40, 47, 51, 115]);

/** Did the server refuse our key? Pure. */
export function isKeyAlert(error: unknown): boolean {
  return (
    error instanceof Error &&
    'alert' in error &&
    typeof error.alert === 'number' &&
    KEY_ALERTS.has(error.alert)
  );
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'it does not answer in time',
  ECONNRESET: 'it closed the connection',
  EPROTO: 'it does not speak the peer protocol',
};

/** Why a call came to nothing, in words. Pure. */
export function failureInWords(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code !== undefined && WORDS[code] !== undefined) return WORDS[code];
  if (code?.startsWith('ERR_SSL')) return WORDS.EPROTO as string;
  return error instanceof Error ? error.message : String(error);
}
