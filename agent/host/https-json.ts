import { createSecureContext } from 'node:tls';
import type { Dispatcher, Pool } from 'undici';
import { type FailureReason, failureOf, HttpsFailure } from './https-failure.ts';
import { createSplitter } from './line-splitter.ts';

export { HttpsFailure };

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

interface OriginOptions {
  /** PEM; absent for http. */
  readonly tls?: { readonly ca: string; readonly certificate: string; readonly key: string } | undefined;
  /** For TCP and the TLS handshake together. */
  readonly connectMs: number;
}

interface PostOptions {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

interface LinesOptions {
  /** Until the first line. */
  readonly openMs: number;
  /** Between two pieces of the answer; absent: for ever. */
  readonly idleMs?: number | undefined;
  readonly maxLineBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

const CONNECTIONS = 16;
const IDLE_MS = 20_000;
/** Of a stream, held for a slow reader before the connection is paused. */
const HELD_BYTES = 256 * 1024;

/** Undici is loaded at the first call: 6 MB and 20 ms that a node without a cluster does not need. */
export async function openOrigin(url: string, { tls, connectMs }: OriginOptions): Promise<Origin> {
  const { default: UndiciPool } = await import('undici/lib/dispatcher/pool.js');
  const { default: buildConnector } = await import('undici/lib/core/connect.js');
  // One context for all connections: making it costs more than a handshake.
  const secureContext =
    tls && createSecureContext({ ca: tls.ca, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' });
  const connector = buildConnector({
    timeout: connectMs,
    keepAliveInitialDelay: 10_000,
    ...(secureContext && { secureContext }),
  });
  const pool = new UndiciPool(url, {
    connections: CONNECTIONS,
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) =>
      connector(options, (...result) => {
        const socket = result[1];
        // The first error tells most: undici would show the end of the connection after it instead.
        socket?.once('error', (error) => socket.destroy(error));
        callback(...result);
      }),
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
