export type FailureReason = 'refused' | 'timeout' | 'tls' | 'too-large' | 'broken' | 'aborted';

/** Why there is no answer. */
export class HttpsFailure extends Error {
  readonly reason: FailureReason;
  /** The request, or a part of it, may have reached the server. */
  readonly sent: boolean;
  /** The status, when the server refused a stream. */
  readonly status: number | undefined;

  constructor(reason: FailureReason, sent: boolean, message: string, cause?: unknown, status?: number) {
    super(message, { cause });
    this.name = 'HttpsFailure';
    this.reason = reason;
    this.sent = sent;
    this.status = status;
  }
}

/** From what undici, the socket or OpenSSL says. @param sent the request was written, in whole or in part */
export function failureOf(error: Error, sent: boolean): HttpsFailure {
  if (error instanceof HttpsFailure) return error;
  const code = (error as NodeJS.ErrnoException).code ?? error.name;
  const message = `${code}: ${error.message}`.slice(0, 300);
  // An alert against our certificate comes after the request was written (TLS 1.3), yet before it is read.
  if (AGAINST_US.test(code)) return new HttpsFailure('tls', false, message, error);
  if (TLS.test(code)) return new HttpsFailure('tls', sent, message, error);
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return new HttpsFailure('timeout', false, message, error);
  return new HttpsFailure(sent ? 'broken' : 'refused', sent, message, error);
}

const AGAINST_US = /_ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)$/;
const TLS = /^(ERR_SSL_|ERR_TLS_|CERT_|EPROTO$|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH)/;
