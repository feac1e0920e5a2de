import type { Listener } from './unix-socket.ts';

const REQUEST_MS = 5_000;
const CONNECTIONS = 16;

/** What this process costs. */
export function usage(): { residentBytes: number; cpuSeconds: number } {
  const { user, system } = process.cpuUsage();
  return { residentBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 };
}

/**
 * Serve one text at `/metrics`, by GET, on one address. A request may take five seconds; at most 16 connections
 * are kept, further ones are dropped.
 *
 * @throws the system's error, `EADDRINUSE` and `EADDRNOTAVAIL` among them
 */
export async function serveText(address: string, port: number, text: () => string): Promise<Listener> {
  const http = await import('node:http');
  const server = http.createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      const end = (status: number, body: string, headers: Record<string, string> = {}) => {
        response.writeHead(status, {
          'content-type': 'text/plain; version=0.0.4; charset=utf-8',
          connection: 'close',
          ...headers,
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      // Whatever is sent as a body is not read: the answer ends the connection.
      if (request.url?.split('?', 1)[0] !== '/metrics') return end(404, 'there is only /metrics\n');
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return end(405, 'metrics are read with GET\n', { allow: 'GET, HEAD' });
      }
      try {
        return end(200, text());
      } catch (error) {
        return end(500, `${error instanceof Error ? error.message : String(error)}\n`);
      }
    },
  );
  server.maxConnections = CONNECTIONS;
  server.on('clientError', (_error, connection) => connection.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  // A connection that fails later must not end the agent.
  server.on('error', () => {});
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
