import type { UdpEcho } from '../host/udp-echo.ts';
import { clock, udpEcho } from '../host.ts';
import type { Contacts } from './handshakes.ts';
import { blackHoles, duePaths, keptPaths, mtuFor, type Paths, sizesBelow, UNLIMITED } from './path-mtu.ts';
import type { PlannedPeer } from './peers.ts';

/** Also on a busy machine an answer comes within that; tries are many, since a busy one loses some. */
const TIMEOUT_MS = 2_000;
const TRIES = 4;
const SMALL_BYTES = 100;
/** Headers of IPv4 and UDP. */
const HEADERS = 28;

interface WatchInput {
  /** Ours in the mesh. */
  readonly address: string;
  /** Where we and others answer, UDP: the number of etcd's client port, which is TCP alone. */
  readonly port: number;
  readonly portOf: (id: string) => number | undefined;
  readonly peers: readonly PlannedPeer[];
  readonly contacts: Contacts;
  /** By the settings. */
  readonly most: number;
  readonly nowMs: number;
  readonly onNews: () => void;
}

interface PathWatch {
  /** Begin what is due. Never throws. */
  update(input: WatchInput): Promise<void>;
  mtu(most: number): number;
  conditions(peers: readonly PlannedPeer[], nameOf: (id: string) => string): ReturnType<typeof blackHoles>;
  close(): void;
}

/** Measures what the paths to the peers carry, beside the passes of the mesh. */
export function createPathWatch(): PathWatch {
  let paths: Paths = new Map();
  let echo: { readonly at: string; readonly socket: UdpEcho } | undefined;
  const running = new Set<string>();

  const close = () => {
    echo?.socket.close();
    echo = undefined;
  };

  async function listen({ address, port }: WatchInput): Promise<UdpEcho | undefined> {
    const at = `${address} ${port}`;
    if (echo?.at === at) return echo.socket;
    close();
    try {
      echo = { at, socket: await udpEcho.openUdpEcho({ address, port }, { timeoutMs: TIMEOUT_MS }) };
      return echo.socket;
    } catch (error) {
      // The address comes with the interface; a port that another program has costs the measurement alone.
      if (['EADDRNOTAVAIL', 'EADDRINUSE'].includes(String((error as NodeJS.ErrnoException).code)))
        return undefined;
      throw error;
    }
  }

  /** @returns the largest that came back, at most `size`; undefined when the peer does not answer at all */
  async function measure(socket: UdpEcho, to: { address: string; port: number }, size: number) {
    const passes = async (bytes: number) => {
      for (let tries = 0; tries < TRIES; tries++) if (await socket.probe(to, bytes)) return true;
      return false;
    };
    if (!(await passes(SMALL_BYTES))) return undefined;
    if (await passes(size - HEADERS)) return size;
    // At once: of those that are lost each takes all of its tries.
    const sizes = sizesBelow(size);
    const passed = await Promise.all(sizes.map((each) => passes(each - HEADERS)));
    const largest = sizes.find((_, index) => passed[index]);
    if (largest !== undefined) return largest;
    return (await passes(SMALL_BYTES)) ? 0 : undefined;
  }

  async function check(socket: UdpEcho, peer: PlannedPeer, port: number, input: WatchInput): Promise<void> {
    const { publicKey, endpoint, address } = peer;
    const size = mtuFor(paths, input.most);
    const found = await measure(socket, { address, port }, size);
    const checkedMs = clock.monotonicMs();
    const known = paths.get(publicKey) ?? { endpoint, carries: UNLIMITED, measuredMs: checkedMs };
    const carries = found === undefined || (found === size && known.carries >= size) ? known.carries : found;
    const isNews = carries !== known.carries;
    const measuredMs = isNews ? checkedMs : known.measuredMs;
    paths = new Map(paths).set(publicKey, { endpoint, carries, measuredMs, checkedMs });
    if (isNews) input.onNews();
  }

  return {
    async update(input) {
      paths = keptPaths(input.peers, paths, input.nowMs);
      const socket = await listen(input);
      if (socket === undefined) return;
      for (const peer of duePaths(input.peers, input.contacts, paths, input.nowMs)) {
        const port = input.portOf(peer.id);
        if (port === undefined || running.has(peer.publicKey)) continue;
        running.add(peer.publicKey);
        void check(socket, peer, port, input).finally(() => running.delete(peer.publicKey));
      }
    },
    mtu: (most) => mtuFor(paths, most),
    conditions: (peers, nameOf) => blackHoles(peers, paths, nameOf),
    close,
  };
}
