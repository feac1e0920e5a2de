import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';

/** Answers and asks whether datagrams of a size get through, both on one socket. */
export interface UdpEcho {
  /** Whether an answer of the same size came back in time. Never throws. */
  probe(to: { readonly address: string; readonly port: number }, bytes: number): Promise<boolean>;
  close(): void;
}

const [ASK, ANSWER] = [Buffer.from('COSPq'), Buffer.from('COSPa')];
const NONCE_BYTES = 16;
const HEAD_BYTES = ASK.length + NONCE_BYTES;
const MOST_BYTES = 9_000;

/**
 * @param limit.timeoutMs how long an answer may take
 * @throws the system's error, `EADDRINUSE` and `EADDRNOTAVAIL` among them
 */
export function openUdpEcho(
  { address, port }: { readonly address: string; readonly port: number },
  limit: { readonly timeoutMs: number },
): Promise<UdpEcho> {
  const socket = createSocket('udp4');
  const waiting = new Map<string, () => void>();
  socket.on('message', (bytes, from) => {
    if (bytes.length < HEAD_BYTES || bytes.length > MOST_BYTES) return;
    const kind = bytes.subarray(0, ASK.length);
    // An answer is as large as its question, so nobody gains by asking; and answers are never answered.
    if (kind.equals(ASK)) {
      ANSWER.copy(bytes);
      socket.send(bytes, from.port, from.address, () => {});
    } else if (kind.equals(ANSWER)) waiting.get(bytes.subarray(ASK.length, HEAD_BYTES).toString('hex'))?.();
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port, address, exclusive: true }, () => {
      socket.removeListener('error', reject);
      // An ICMP answer to one datagram is no failure of the socket.
      socket.on('error', () => {});
      socket.unref();
      let open = true;
      resolve({
        probe: (to, size) =>
          new Promise((done) => {
            if (!open) return done(false);
            const nonce = randomBytes(NONCE_BYTES);
            const key = nonce.toString('hex');
            const end = (heard: boolean) => {
              clearTimeout(late);
              waiting.delete(key);
              done(heard);
            };
            const late = setTimeout(() => end(false), limit.timeoutMs);
            late.unref();
            waiting.set(key, () => end(true));
            const filler = Buffer.alloc(Math.max(0, size - HEAD_BYTES));
            socket.send(Buffer.concat([ASK, nonce, filler]), to.port, to.address, (error) => {
              if (error) end(false);
            });
          }),
        close: () => {
          if (open) socket.close();
          open = false;
        },
      });
    });
  });
}
