import { createSocket } from 'node:dgram';
import mdns from 'multicast-dns';

/** What is asked for and answered, in the form of DNS-SD (RFC 6763): one instance with one TXT record. */
interface ServiceRecord {
  /** `_clusteros._udp.local` */
  readonly service: string;
  /** Of this run, one label. */
  readonly instance: string;
  /** Strings of at most 255 bytes. */
  readonly text: readonly string[];
}

export interface MulticastSpeaker {
  /** Errno of the failure, or undefined once it is handed to the kernel. Never throws. */
  query(): Promise<string | undefined>;
  announce(record: ServiceRecord): Promise<string | undefined>;
  close(): void;
}

interface MulticastOptions {
  readonly service: string;
  /**
   * An address of ours: where to speak and to listen, without asking the routing table. Others see an IPv6 address as
   * the sender's, and not the one of the link that the kernel would take: that one means nothing without a link.
   */
  readonly address: string;
  /** Name of the interface that has the address. */
  readonly link: string;
  readonly onQuery: () => void;
  readonly onText: (text: readonly string[], from: string) => void;
  /** The socket is broken and closed. */
  readonly onError: (errno: string) => void;
}

const TTL_SECONDS = 120;
const RECORDS = 64;

/**
 * Speak mDNS (RFC 6762, port 5353) on one link. Whatever comes in is bounded and never thrown out of here.
 *
 * @throws the system's error, `EADDRINUSE` where another responder does not share the port
 */
export function openMulticast(options: MulticastOptions): Promise<MulticastSpeaker> {
  if (options.address.includes(':')) return openOnIPv6(options);
  return open(options, { interface: options.address, bind: '0.0.0.0' });
}

/** A socket with an address of its own hears no multicast: one listens, another speaks. */
async function openOnIPv6(options: MulticastOptions): Promise<MulticastSpeaker> {
  const link = { type: 'udp6', ip: 'ff02::fb', interface: `::%${options.link}` } as const;
  const listener = await open(options, {
    ...link,
    bind: '::',
    socket: createSocket({ type: 'udp6', reuseAddr: true, ipv6Only: true }),
  });
  const close = () => listener.close();
  const onError = (errno: string) => {
    close();
    options.onError(errno);
  };
  try {
    const deaf = { ...options, onQuery: () => {}, onText: () => {}, onError };
    const speaker = await open(deaf, { ...link, bind: options.address });
    return {
      ...speaker,
      close: () => {
        speaker.close();
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function open(options: MulticastOptions, place: mdns.Options): Promise<MulticastSpeaker> {
  const { service } = options;
  return new Promise((resolve, reject) => {
    const speaker = mdns({ ...place, loopback: true, reuseAddr: true });
    let state: 'opening' | 'open' | 'closed' = 'opening';
    let warning: string | undefined;
    const close = () => {
      if (state === 'closed') return;
      state = 'closed';
      speaker.destroy();
    };
    speaker.on('error', (error: NodeJS.ErrnoException) => {
      if (state === 'closed') return;
      const before = state;
      state = 'closed';
      // A socket that could not be bound is closed by nobody else, and its close may throw.
      try {
        speaker.destroy();
      } catch {
        // It was never open.
      }
      if (before === 'opening') reject(error);
      else options.onError(error.code ?? error.message);
    });
    speaker.on('warning', (error: NodeJS.ErrnoException) => {
      // A packet that is no DNS is a warning too, without a code.
      if (error.code !== undefined) warning = error.code;
    });
    speaker.on('query', ({ questions }) => {
      if (state !== 'open') return;
      const asked = (questions ?? []).slice(0, RECORDS);
      if (asked.some(({ name }) => isService(name, service))) options.onQuery();
    });
    speaker.on('response', ({ answers, additionals }, from) => {
      if (state !== 'open') return;
      for (const record of [...(answers ?? []), ...(additionals ?? [])].slice(0, RECORDS)) {
        if (record.type !== 'TXT' || !isService(record.name, service)) continue;
        options.onText(textOf(record.data), from.address);
      }
    });
    const send = (act: (done: (error: Error | null) => void) => void): Promise<string | undefined> =>
      new Promise((done) => {
        if (state !== 'open') return done('ECLOSED');
        try {
          act((error) => done(error ? ((error as NodeJS.ErrnoException).code ?? error.message) : warning));
        } catch (error) {
          done((error as NodeJS.ErrnoException).code ?? String(error));
        }
      });
    speaker.once('ready', () => {
      if (state !== 'opening') return;
      state = 'open';
      resolve({
        query: () => send((done) => speaker.query([{ name: service, type: 'PTR' }], done)),
        announce: (record) =>
          send((done) => {
            const name = `${record.instance}.${service}`;
            speaker.respond(
              [
                { name: service, type: 'PTR', ttl: TTL_SECONDS, data: name },
                { name, type: 'TXT', ttl: TTL_SECONDS, data: [...record.text] },
              ],
              done,
            );
          }),
        close,
      });
    });
  });
}

/** DNS names compare without case. */
function isService(name: string, service: string): boolean {
  const lower = name.toLowerCase();
  return lower === service || lower.endsWith(`.${service}`);
}

function textOf(data: unknown): string[] {
  return [data]
    .flat()
    .slice(0, 8)
    .map((part) => (typeof part === 'string' ? part : Buffer.isBuffer(part) ? part.toString('latin1') : ''));
}
