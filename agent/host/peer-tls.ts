import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestOptions } from 'node:https';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { loadHttps } from './http-modules.ts';
import { boundPlaces, type PlaceLimits } from './places.ts';

/**
 * HTTPS with pre-shared keys in place of certificates (RFC 4279, RFC 5489). TLS 1.2, because there the name of
 * the key travels and the server may hold several; ECDHE, so that a key that leaks does not open what was said.
 */
const TLS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const;

/** Bytes of both sides' secret of a connection, RFC 5705: what a proof of identity is bound to. */
const EXPORT_BYTES = 32;
const EXPORT_LABEL = 'clusteros';

export interface PskRequest {
  /** Of the sender, an IPv4 address in its usual form. */
  readonly address: string;
  /** Name of the key that the sender used. */
  readonly identity: string;
  readonly exported: Buffer;
  readonly body: Buffer;
}

interface PskServerOptions {
  readonly port: number;
  /** On one address only, for tests; all when absent. */
  readonly host?: string;
  readonly keyOf: (identity: string, address: string) => Uint8Array | undefined;
  readonly answer: (request: PskRequest) => Promise<Buffer>;
  /** Someone did not get in: the code of OpenSSL, Node, or `TOO_LARGE`. */
  readonly onRefused: (address: string, code: string) => void;
  readonly bodyBytes: number;
  /** For the handshake, and again for the whole request. */
  readonly timeoutMs: number;
  readonly places: PlaceLimits;
  /** Whether a member is at this address: places are kept for them. */
  readonly isKnown: (address: string) => boolean;
}

export interface PskServer {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws the system's error, `EADDRINUSE` among them */
export async function serve(options: PskServerOptions): Promise<PskServer> {
  const https = loadHttps();
  const identities = new WeakMap<object, string>();
  const server = https.createServer({
    ...TLS,
    pskCallback: (socket, identity) => {
      identities.set(socket, identity);
      return options.keyOf(identity, plain(socket.remoteAddress)) ?? null;
    },
    handshakeTimeout: options.timeoutMs,
    requestTimeout: options.timeoutMs,
    headersTimeout: options.timeoutMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 8 * 1024,
  });
  boundPlaces(server, options.places, ({ remoteAddress }) => plain(remoteAddress), options.isKnown);
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    options.onRefused(plain(socket.remoteAddress), error.code ?? 'UNKNOWN');
    socket.destroy();
  });
  server.on('clientError', (_error, socket) => {
    socket.destroy();
  });
  server.on('request', (request, response) => {
    const socket = request.socket as TLSSocket;
    const address = plain(socket.remoteAddress);
    readBody(request, options.bodyBytes)
      .then(async (body) => {
        if (body === undefined) {
          options.onRefused(address, 'TOO_LARGE');
          return end(response, 413, Buffer.alloc(0));
        }
        const identity = identities.get(socket) ?? '';
        const exported = socket.exportKeyingMaterial(EXPORT_BYTES, EXPORT_LABEL, Buffer.alloc(0));
        end(response, 200, await options.answer({ address, identity, exported, body }));
      })
      // A sender that went away, or a fault of ours that the answerer has logged.
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      // A kernel without IPv6.
      if (error.code !== 'EAFNOSUPPORT' && error.code !== 'EADDRNOTAVAIL') return reject(error);
      server.once('error', reject);
      server.listen({ port: options.port, host: '0.0.0.0' });
    };
    server.once('error', onError);
    server.once('listening', () => {
      server.removeListener('error', onError);
      server.removeListener('error', reject);
      server.on('error', () => {});
      resolve();
    });
    server.listen({ port: options.port, host: options.host ?? '::', exclusive: true });
  });
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface PskCall {
  readonly address: string;
  readonly port: number;
  readonly identity: string;
  readonly key: Uint8Array;
  /** Made once the connection stands, since a proof is bound to it. */
  readonly body: (exported: Buffer) => Buffer;
  readonly answerBytes: number;
  /** For all of it. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One request on a connection of its own.
 *
 * @throws an Error with `code`: of the system, `EPROTO` with `alert` (RFC 5246 section 7.2) when TLS refused,
 * `TOO_LARGE`, `STATUS`, `ETIMEDOUT`
 */
export async function call(options: PskCall): Promise<{ body: Buffer; exported: Buffer }> {
  const https = loadHttps();
  const limit = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([limit, options.signal]) : limit;
  return new Promise((resolve, reject) => {
    const tls: RequestOptions & ConnectionOptions = {
      ...TLS,
      host: options.address,
      port: options.port,
      method: 'POST',
      path: '/',
      agent: false,
      signal,
      servername: '',
      pskCallback: () => ({ psk: options.key, identity: options.identity }),
      checkServerIdentity: () => undefined,
    };
    const request = https.request(tls);
    const fail = (error: NodeJS.ErrnoException) => {
      reject(limit.aborted ? coded('ETIMEDOUT', `no answer in ${options.timeoutMs / 1000} s`) : error);
      request.destroy();
    };
    let exported: Buffer | undefined;
    request.once('socket', (socket) => {
      (socket as TLSSocket).once('secureConnect', () => {
        try {
          exported = (socket as TLSSocket).exportKeyingMaterial(EXPORT_BYTES, EXPORT_LABEL, Buffer.alloc(0));
          request.end(options.body(exported));
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    request.once('error', (error: NodeJS.ErrnoException) => {
      const alert = /alert number (\d+)/.exec(error.message)?.[1];
      fail(alert === undefined ? error : Object.assign(error, { alert: Number(alert) }));
    });
    request.once('response', (response) => {
      readBody(response, options.answerBytes).then((body) => {
        if (body === undefined) return fail(coded('TOO_LARGE', 'the answer is too large'));
        if (response.statusCode === 413) return fail(coded('TOO_LARGE', 'the request was too large'));
        if (response.statusCode !== 200)
          return fail(coded('STATUS', `HTTP status ${response.statusCode ?? 'unknown'}`));
        resolve({ body, exported: exported ?? Buffer.alloc(0) });
      }, fail);
    });
  });
}

/** The whole body, or undefined as soon as it is larger than allowed. */
function readBody(message: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    message.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) {
        message.pause();
        resolve(undefined);
      } else chunks.push(chunk);
    });
    message.once('end', () => resolve(Buffer.concat(chunks)));
    message.once('error', reject);
    message.once('close', () => reject(coded('ECONNRESET', 'the connection was closed')));
  });
}

function end(response: ServerResponse, status: number, body: Buffer): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    connection: 'close',
  });
  response.end(body, () => {
    if (status !== 200) response.destroy();
  });
}

/** An IPv4 peer of a socket that serves both families is `::ffff:192.0.2.1`. */
function plain(address: string | undefined): string {
  return (address ?? 'unknown').replace(/^::ffff:(?=\d+\.)/i, '');
}

function coded(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
