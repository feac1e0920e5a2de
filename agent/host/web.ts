import type { AddressInfo } from 'node:net';
import { loadHttp } from './http-modules.ts';

/** A web page for people: read-only, small, without scripts. */
export interface Page {
  readonly status: number;
  readonly type: 'text/html; charset=utf-8' | 'text/plain; charset=utf-8';
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface WebListener {
  /** As bound: of use when 0 was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_MS = 5_000;
const CONNECTIONS = 64;

/** What a browser may do with any page of ours: show it, with its own style, and nothing else. */
const SAFE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const;

/**
 * Serve pages by HTTP. Only GET and HEAD, no bodies, a request within five seconds, 64 connections at once.
 *
 * @throws the system's error: `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`
 */
export async function listenWeb(
  address: string,
  port: number,
  answer: (path: string) => Promise<Page>,
): Promise<WebListener> {
  const http = loadHttp();
  const server = http.createServer({
    requestTimeout: REQUEST_MS,
    headersTimeout: REQUEST_MS,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 8 * 1024,
  });
  server.maxConnections = CONNECTIONS;
  server.on('request', (request, response) => {
    const send = ({ status, type, body, headers }: Page) => {
      if (response.headersSent || response.destroyed) return;
      response.writeHead(status, {
        ...SAFE_HEADERS,
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        connection: 'close',
        ...headers,
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    request.on('error', () => response.destroy());
    response.on('error', () => {});
    request.resume();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return send({ ...plain(405, 'this page can only be read\n'), headers: { allow: 'GET, HEAD' } });
    }
    const path = (request.url ?? '/').split('?')[0]?.slice(0, 200) ?? '/';
    answer(path).then(send, () => send(plain(500, 'the page could not be made\n')));
  });
  server.on('clientError', (_error, connection) => {
    if (connection.writable) connection.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function plain(status: number, body: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body };
}

/** The status of a GET; its body is not read. @throws the system's error, or an AbortError when the time is up */
export async function statusOf(url: string, timeoutMs: number): Promise<number> {
  const http = loadHttp();
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      response.on('error', () => {});
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    request.once('error', reject);
  });
}
