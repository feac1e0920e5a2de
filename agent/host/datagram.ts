import * as dgram from 'node:dgram';

export interface DatagramSocket {
  /** Errno of the failure, or undefined once it is handed to the kernel. Never throws. */
  send(bytes: Uint8Array, address: string, port: number): Promise<string | undefined>;
  close(): void;
}

interface DatagramOptions {
  readonly port: number;
  readonly onMessage: (bytes: Buffer, from: string) => void;
  /** The socket is broken and closed. */
  readonly onError: (errno: string) => void;
}

/**
 * Listen for UDP on one port of every IPv4 interface; may send broadcasts.
 *
 * @throws the system's error, `EADDRINUSE` and `EACCES` among them
 */
export function openBroadcast({ port, onMessage, onError }: DatagramOptions): Promise<DatagramSocket> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket({ type: 'udp4' });
    let closed = false;
    const close = () => {
      if (closed) return;
      closed = true;
      socket.close();
    };
    socket.once('error', reject);
    socket.bind({ port, address: '0.0.0.0', exclusive: true }, () => {
      socket.removeListener('error', reject);
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (closed) return;
        close();
        onError(error.code ?? error.message);
      });
      socket.on('message', (bytes, from) => {
        if (!closed) onMessage(bytes, from.address);
      });
      socket.unref();
      try {
        socket.setBroadcast(true);
      } catch (error) {
        close();
        return reject(error);
      }
      resolve({
        send: (bytes, address, target) =>
          new Promise((done) => {
            if (closed) return done('ECLOSED');
            try {
              socket.send(bytes, target, address, (error) =>
                done(error ? ((error as NodeJS.ErrnoException).code ?? error.message) : undefined),
              );
            } catch (error) {
              done((error as NodeJS.ErrnoException).code ?? String(error));
            }
          }),
        close,
      });
    });
  });
}
