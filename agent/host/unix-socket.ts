import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import * as net from 'node:net';
import { loadHttp } from './http-modules.ts';

export interface Request {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** At most 64 KiB. */
  readonly body: Buffer;
  /** Aborts when the asker has gone away. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Instead of the body: each value is one line of JSON, until the iteration or the asker ends. */
  readonly stream?: AsyncIterable<unknown>;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Handler = (request: Request) => Answer | Promise<Answer>;

export interface Listener {
  readonly close: () => Promise<void>;
}

const REQUEST_MS = 5_000;
const BODY_BYTES = 64 * 1024;

/**
 * Serve HTTP on a Unix socket. A request must be complete within five seconds and its body at most 64 KiB;
 * each answer is JSON, or lines of JSON, and ends the connection.
 *
 * @throws the system's error, `EADDRINUSE` among them
 */
export async function listen(socket: string, handler: Handler): Promise<Listener> {
  const http = loadHttp();
  const server = http.createServer({
    requestTimeout: REQUEST_MS,
    headersTimeout: REQUEST_MS,
    connectionsCheckingInterval: 1_000,
  });
  server.maxConnections = 64;
  server.on('request', (request, response) => receive(request, response, handler));
  server.on('clientError', (_error, connection) => {
    if (connection.writable) connection.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  return { close: () => closeAll(server) };
}

function closeAll(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function receive(request: IncomingMessage, response: ServerResponse, handler: Handler): void {
  const chunks: Buffer[] = [];
  let received = 0;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received <= BODY_BYTES) chunks.push(chunk);
    else {
      chunks.length = 0;
      const message = `a body may hold ${BODY_BYTES} bytes`;
      sendJson(response, { status: 413, body: { error: { code: 'api.too-large', message } } });
    }
  });
  request.on('end', () => {
    if (received <= BODY_BYTES) void reply(request, response, Buffer.concat(chunks), handler);
  });
  request.on('error', () => response.destroy());
  response.on('error', () => response.destroy());
}

async function reply(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  handler: Handler,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agent');
    const answer = await handler({
      method: request.method ?? 'GET',
      path: pathname,
      query: searchParams,
      body,
      signal: gone.signal,
    });
    if (answer.stream === undefined) sendJson(response, answer);
    else await sendLines(response, answer, answer.stream, gone.signal);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (response.headersSent) response.destroy();
    else sendJson(response, { status: 500, body: { error: { code: 'internal', message } } });
  }
}

function sendJson(response: ServerResponse, { status, body, headers }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

/** A reader that is slow holds back the iteration, so that nothing piles up here. */
async function sendLines(
  response: ServerResponse,
  { status, headers }: Answer,
  stream: AsyncIterable<unknown>,
  gone: AbortSignal,
): Promise<void> {
  response.writeHead(status, { 'content-type': 'application/x-ndjson', connection: 'close', ...headers });
  response.flushHeaders();
  for await (const value of stream) {
    if (gone.aborted) break;
    if (!response.write(`${JSON.stringify(value)}\n`)) await drained(response, gone);
  }
  response.end();
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (gone.aborted) return resolve();
    const end = () => {
      response.off('drain', end);
      gone.removeEventListener('abort', end);
      resolve();
    };
    response.on('drain', end);
    gone.addEventListener('abort', end);
  });
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

export interface Asked {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** With its query. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/**
 * Ask for a JSON document on a Unix socket.
 *
 * @throws the system's error when nobody answers, or an Error when the time is up or the answer is not JSON
 */
export async function askJson(
  socket: string,
  asked: Asked,
  timeoutMs: number,
): Promise<{ status: number; body: unknown }> {
  const response = await open(socket, asked, AbortSignal.timeout(timeoutMs));
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  try {
    return { status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
  } catch (cause) {
    throw new Error('the answer is not JSON', { cause });
  }
}

/**
 * The lines of JSON of an answer as they come, until it or the signal ends. An answer with another status than
 * 200 is one line: its body.
 *
 * @param beginMs for the answer to begin
 * @throws the system's error when nobody answers, an AbortError when no answer begins in time
 */
export async function* readLines(
  socket: string,
  path: string,
  signal: AbortSignal,
  beginMs: number,
): AsyncGenerator<{ status: number; body: unknown }> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), beginMs);
  const either = AbortSignal.any([signal, late.signal]);
  const response = await open(socket, { path }, either).finally(() => clearTimeout(timer));
  const status = response.statusCode ?? 0;
  let rest = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') yield { status, body: JSON.parse(line) };
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
}

async function open(
  socket: string,
  { method = 'GET', path, body }: Asked,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const http = loadHttp();
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        socketPath: socket,
        method,
        path,
        agent: false,
        signal,
        headers:
          text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      resolve,
    );
    request.once('error', reject);
    request.end(text);
  });
}
