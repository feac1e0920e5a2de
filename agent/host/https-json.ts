import { createSecureContext } from 'node:tls';
import type { Dispatcher, Pool } from 'undici';
import { createSplitter } from './line-splitter.ts';

/**
 * HTTPS with client certificates: one JSON document sent, one received, or a stream of lines. One pool of
 * connections per origin; idle ones are closed after 20 s.
 */
export interface Origin {
  /**
   * POST a JSON document and read the whole answer, whatever its status.
   *
   * @throws HttpsFailure
   */
  post(path: string, body: unknown, options: PostOptions): Promise<{ status: number; text: string }>;
  /**
   * POST a JSON document and yield the answer's lines as they come. Reading slowly slows the sender. Leaving
   * the loop, or the signal, ends the connection.
   *
   * @throws HttpsFailure
   */
  lines(path: string, body: unknown, options: LinesOptions): AsyncGenerator<string, void, void>;
  /** End everything at once. */
  destroy(): void;
}

export interface OriginOptions {
  /** PEM; absent for http. */
  readonly tls?: { readonly ca: string; readonly certificate: string; readonly key: string } | undefined;
  /** For TCP and the TLS handshake together. */
  readonly connectMs: number;
}

export interface PostOptions {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface LinesOptions {
  /** Until the first line. */
  readonly openMs: number;
  /** Between two pieces of the answer; absent: for ever. */
  readonly idleMs?: number | undefined;
  readonly maxLineBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

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

const CONNECTIONS = 16;
const IDLE_MS = 20_000;
/** Of a stream, held for a slow reader before the connection is paused. */
const HELD_BYTES = 256 * 1024;

/** Undici is loaded at the first call: 6 MB and 20 ms that a node without a cluster does not need. */
export async function openOrigin(url: string, { tls, connectMs }: OriginOptions): Promise<Origin> {
  const { default: UndiciPool } = await import('undici/lib/dispatcher/pool.js');
  const pool = new UndiciPool(url, {
    connections: CONNECTIONS,
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: connectMs,
      keepAliveInitialDelay: 10_000,
      ...(tls && {
        // One context for all connections: making it costs more than a handshake.
        secureContext: createSecureContext({
          ca: tls.ca,
          cert: tls.certificate,
          key: tls.key,
          minVersion: 'TLSv1.2',
        }),
      }),
    },
  });
  return {
    post: (path, body, options) => post(pool, path, body, options),
    lines: (path, body, options) => lines(pool, path, body, options),
    destroy: () => {
      pool.destroy().catch(() => {});
    },
  };
}

async function post(
  pool: Pool,
  path: string,
  body: unknown,
  { timeoutMs, maxBytes, headers, signal }: PostOptions,
): Promise<{ status: number; text: string }> {
  const chunks: Buffer[] = [];
  let size = 0;
  let status = 0;
  let limit: NodeJS.Timeout | undefined;
  let onAbort = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const exchange = dispatch(pool, path, body, headers, {
        start: (code) => {
          status = code;
        },
        data: (chunk) => {
          size += chunk.length;
          if (size > maxBytes) exchange.fail('too-large', `the answer has more than ${maxBytes} bytes`);
          else chunks.push(chunk);
        },
        end: resolve,
        error: reject,
      });
      limit = setTimeout(() => exchange.fail('timeout', `no answer after ${timeoutMs} ms`), timeoutMs);
      onAbort = () => exchange.fail('aborted', 'given up');
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) onAbort();
    });
  } finally {
    clearTimeout(limit);
    signal?.removeEventListener('abort', onAbort);
  }
  return { status, text: Buffer.concat(chunks).toString('utf8') };
}

async function* lines(
  pool: Pool,
  path: string,
  body: unknown,
  { openMs, idleMs, maxLineBytes, headers, signal }: LinesOptions,
): AsyncGenerator<string, void, void> {
  const queue: Buffer[] = [];
  let held = 0;
  let ended = false;
  let failure: HttpsFailure | undefined;
  let wake = () => {};
  let limit: NodeJS.Timeout | undefined;
  let refusal: number | undefined;
  let paused = false;
  const within = (ms: number | undefined) => {
    clearTimeout(limit);
    if (ms !== undefined) limit = setTimeout(() => exchange.fail('timeout', `nothing for ${ms} ms`), ms);
  };
  const exchange = dispatch(pool, path, body, headers, {
    start: (status) => {
      // A refused stream's answer is a line too: it says why.
      if (status >= 300) refusal = status;
    },
    data: (chunk) => {
      queue.push(chunk);
      held += chunk.length;
      paused = held > HELD_BYTES;
      if (paused) exchange.pause();
      within(paused ? undefined : idleMs);
      wake();
    },
    end: () => {
      ended = true;
      wake();
    },
    error: (error) => {
      failure = error;
      wake();
    },
  });
  const onAbort = () => exchange.fail('aborted', 'given up');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  within(openMs);
  try {
    const splitter = createSplitter(maxLineBytes);
    for (;;) {
      const chunk = queue.shift();
      if (chunk !== undefined) {
        held -= chunk.length;
        yield* cut(splitter, chunk);
        if (paused && held <= HELD_BYTES / 2) {
          paused = false;
          exchange.resume();
          within(idleMs);
        }
      } else if (failure !== undefined) {
        throw failure;
      } else if (ended) {
        const rest = splitter.rest();
        if (refusal !== undefined) throw new HttpsFailure('broken', true, rest, undefined, refusal);
        if (rest.trim() !== '') yield rest;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', onAbort);
    if (!ended && failure === undefined) exchange.fail('aborted', 'the reader has left');
  }
}

interface Events {
  start(status: number): void;
  data(chunk: Buffer): void;
  end(): void;
  /** Once, and nothing after it. */
  error(failure: HttpsFailure): void;
}

interface Exchange {
  /** End it now with this failure. */
  fail(reason: FailureReason, message: string): void;
  pause(): void;
  resume(): void;
}

function dispatch(
  pool: Pool,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  events: Events,
): Exchange {
  let sent = false;
  let over = false;
  let controller: Dispatcher.DispatchController | undefined;
  const finish = (failure: HttpsFailure) => {
    if (over) return;
    over = true;
    events.error(failure);
  };
  const fail = (reason: FailureReason, message: string) => {
    const failure = new HttpsFailure(reason, sent, message);
    finish(failure);
    // Not yet on the wire: onRequestStart aborts it when its turn comes.
    controller?.abort(failure);
  };
  pool.dispatch(
    {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    },
    {
      onRequestStart: (started) => {
        controller = started;
        if (over) started.abort(new Error('given up'));
        else sent = true;
      },
      onResponseStart: (_controller, status) => {
        if (!over) events.start(status);
      },
      onResponseData: (_controller, chunk) => {
        if (!over) events.data(chunk);
      },
      onResponseEnd: () => {
        if (over) return;
        over = true;
        events.end();
      },
      onResponseError: (_controller, error) => finish(failureOf(error, sent)),
    },
  );
  return {
    fail,
    pause: () => controller?.pause(),
    resume: () => {
      if (!over) controller?.resume();
    },
  };
}

function cut(splitter: ReturnType<typeof createSplitter>, chunk: Buffer): string[] {
  try {
    return splitter.push(chunk);
  } catch (cause) {
    throw new HttpsFailure('too-large', true, (cause as Error).message, cause);
  }
}

function failureOf(error: Error, sent: boolean): HttpsFailure {
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
