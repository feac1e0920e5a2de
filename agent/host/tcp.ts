import * as net from 'node:net';

interface TcpOptions {
  /** For the connection to be made. */
  readonly timeoutMs: number;
  readonly onData: (chunk: Buffer) => void;
  /** Called once, with the reason when there was one. Nothing is delivered after it. */
  readonly onClose: (error?: Error) => void;
}

export interface Tcp {
  /** @returns false when the other side does not read fast enough: more than 1 MiB waits to be sent */
  write(bytes: Uint8Array): boolean;
  close(): void;
}

const WAITING_BYTES = 1024 * 1024;

/**
 * Connect to a program by plain TCP.
 *
 * @throws the system's error, `ECONNREFUSED` among them; `ETIMEDOUT` after the time
 */
export function connect(host: string, port: number, options: TcpOptions): Promise<Tcp> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true });
    const limit = setTimeout(() => {
      const error: NodeJS.ErrnoException = new Error(`no connection to ${host}:${port} in time`);
      error.code = 'ETIMEDOUT';
      socket.destroy(error);
    }, options.timeoutMs);
    let connected = false;
    let reason: Error | undefined;
    socket.once('connect', () => {
      clearTimeout(limit);
      connected = true;
      socket.on('data', options.onData);
      resolve({
        write: (bytes) => {
          if (!socket.destroyed) socket.write(bytes);
          return socket.writableLength <= WAITING_BYTES;
        },
        close: () => socket.destroy(),
      });
    });
    socket.on('error', (error) => {
      reason = error;
    });
    socket.once('close', () => {
      clearTimeout(limit);
      if (connected) options.onClose(reason);
      else reject(reason ?? new Error(`the connection to ${host}:${port} was closed`));
    });
  });
}

/**
 * Is the port free for TCP on this address? Tells by trying.
 *
 * @returns undefined when it is free, else the system's code: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`
 */
export function portTaken(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
