import type { IncomingMessage } from 'node:http';
import * as net from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Listener {
  readonly close: () => Promise<void>;
}

const REQUEST_MS = 5_000;
const BODY_BYTES = 64 * 1024;

/**
 * Serve HTTP on a Unix socket. A request must be complete within five seconds and its body at most 64 KiB;
 * each answer is JSON and ends the connection.
 *
 * @throws the system's error, `EADDRINUSE` among them
 */
export async function listen(
  socket: string,
  answer: (method: string, path: string) => Answer,
): Promise<Listener> {
  const http = await loadHttp();
  const server = http.createServer({
    requestTimeout: REQUEST_MS,
    headersTimeout: REQUEST_MS,
    connectionsCheckingInterval: 1_000,
  });
  server.maxConnections = 64;
  server.on('request', (request, response) => {
    const send = ({ status, body, headers }: Answer) => {
      if (response.headersSent) return;
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers });
      response.end(`${JSON.stringify(body)}\n`);
    };
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > BODY_BYTES)
        send({
          status: 413,
          body: { error: { code: 'api.too-large', message: `a body may hold ${BODY_BYTES} bytes` } },
        });
    });
    request.on('end', () => send(answerOf(answer, request)));
    request.on('error', () => response.destroy());
  });
  server.on('clientError', (_error, connection) => {
    if (connection.writable) connection.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answerOf(answer: (method: string, path: string) => Answer, request: IncomingMessage): Answer {
  try {
    return answer(request.method ?? 'GET', new URL(request.url ?? '/', 'http://agent').pathname);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { status: 500, body: { error: { code: 'internal', message } } };
  }
}

/** Loaded when needed: it takes 20 ms, and `version` and `init` do without. */
function loadHttp() {
  return import('node:http');
}

/** Does anything accept connections there? A socket file whose process is dead refuses. */
export async function answers(socket: string, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = net.connect(socket);
    const end = (result: boolean) => {
      connection.destroy();
      resolve(result);
    };
    connection.setTimeout(timeoutMs, () => end(true));
    connection.once('connect', () => end(true));
    connection.once('error', (error: NodeJS.ErrnoException) =>
      end(!['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '')),
    );
  });
}

/**
 * GET a JSON document from a Unix socket.
 *
 * @throws the system's error when nobody answers, or an Error when the time is up or the answer is not JSON
 */
export async function getJson(
  socket: string,
  path: string,
  timeoutMs: number,
): Promise<{ status: number; body: unknown }> {
  const http = await loadHttp();
  return new Promise((resolve, reject) => {
    const request = http.get(
      { socketPath: socket, path, agent: false, signal: AbortSignal.timeout(timeoutMs) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          try {
            resolve({
              status: response.statusCode ?? 0,
              body: JSON.parse(Buffer.concat(chunks).toString('utf8')),
            });
          } catch (cause) {
            reject(new Error('the answer is not JSON', { cause }));
          }
        });
      },
    );
    request.once('error', reject);
  });
}
