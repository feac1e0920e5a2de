/** Package mirrors that fail, or stop at a chosen point, on a loopback port. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';

interface TestMirror {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** The archive that {@link signedButHanging} takes its Release files from. */
const DEBIAN = process.env.CLUSTEROS_TEST_MIRROR ?? 'http://deb.debian.org';

/** Takes every connection and never answers. */
export function silentMirror(): Promise<TestMirror> {
  return serve(() => {});
}

export function emptyMirror(): Promise<TestMirror> {
  return serve((_, response) => void response.writeHead(404).end());
}

/** A page, as a hotel's network gives it for every address. */
export function portalMirror(): Promise<TestMirror> {
  return serve((_, response) => void response.writeHead(200).end('<html>Please log in</html>'));
}

/** Has Debian's own signed Release files and hangs on all else: a build stays in its download. */
export function signedButHanging(): Promise<TestMirror> {
  return serve(async (asked, response) => {
    if (!asked.url?.endsWith('/InRelease')) return;
    const answer = await request(`${DEBIAN}${asked.url}`);
    response.writeHead(answer.statusCode).end(Buffer.from(await answer.body.arrayBuffer()));
  });
}

/** A port that nobody listens on. */
export async function deadMirror(): Promise<string> {
  const mirror = await silentMirror();
  await mirror.close();
  return mirror.url;
}

async function serve(
  answer: (asked: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<TestMirror> {
  const asked: string[] = [];
  const server: Server = createServer(async (message, response) => {
    asked.push(message.url ?? '');
    try {
      await answer(message, response);
    } catch (error) {
      response.destroy(error as Error);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
