import { createServer, type Server, type Socket } from 'node:net';
import { OperatorError } from '../build/errors.ts';

/** A Unix socket's address has 108 bytes with its NUL (unix(7)). */
const LONGEST_PATH = 107;

/** A Unix socket on which we wait for QEMU. The newest connection is the one that counts. */
export interface Rendezvous {
  readonly path: string;
  /** The next connection that has not been taken yet. Never settles when nobody comes: race it. */
  next(): Promise<Socket>;
  /** Drop who came and was not taken, and whoever waits for somebody: a start failed. */
  forget(): void;
  close(): Promise<void>;
}

/** Listen at a path in a private folder. @throws OperatorError `qemu.socket` */
export async function listenAt(path: string): Promise<Rendezvous> {
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new OperatorError({
      code: 'qemu.socket',
      exit: 'storage',
      message: `the path of a socket is longer than the system allows: ${path}`,
      fix: 'set TMPDIR to a shorter folder, such as /tmp',
    });
  }
  const waiting: ((socket: Socket) => void)[] = [];
  const arrived: Socket[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // The end of QEMU resets its sockets. That it ended is told by the process, not here.
    socket.on('error', () => socket.destroy());
    const taker = waiting.shift();
    if (taker) taker(socket);
    else arrived.push(socket);
  });
  await listening(server, path);
  return {
    path,
    next: () => {
      const here = arrived.shift();
      return here ? Promise.resolve(here) : new Promise((resolve) => waiting.push(resolve));
    },
    forget: () => {
      waiting.length = 0;
      for (const socket of arrived.splice(0)) socket.destroy();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A free TCP port on 127.0.0.1. Another program may take it before QEMU does: QEMU then says so and ends. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

/**
 * Cut a stream of bytes at line feeds.
 *
 * @param longest a line with more bytes than this is thrown away: the stream holds garbage
 */
export function createLineCutter(onLine: (line: Buffer) => void, longest = 64 * 1024 * 1024) {
  let parts: Buffer[] = [];
  let size = 0;
  return (chunk: Buffer): void => {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      onLine(Buffer.concat(parts));
      parts = [];
      size = 0;
      from = end + 1;
    }
    parts.push(chunk.subarray(from));
    size += chunk.length - from;
    if (size > longest) {
      parts = [];
      size = 0;
    }
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', (cause) =>
      reject(
        new OperatorError({
          code: 'qemu.socket',
          exit: 'storage',
          message: `cannot listen at ${path}`,
          evidence: cause.message,
          cause,
        }),
      ),
    );
    server.listen(path, resolve);
  });
}
