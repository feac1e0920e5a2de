import type { PlannedPeer } from './peers.ts';

/** What WireGuard itself knows of a peer. */
type ConfiguredPeer = Pick<PlannedPeer, 'publicKey' | 'allowedIps' | 'endpoint' | 'keepalive'>;

/** What the interface shall be. */
export interface MeshConfig {
  /** base64; a secret. */
  readonly privateKey: string;
  readonly port: number;
  readonly peers: readonly ConfiguredPeer[];
}

/** What `wg show wg0 dump` says. */
export interface Dump {
  readonly publicKey: string | undefined;
  readonly port: number;
  readonly peers: readonly DumpedPeer[];
}

export interface DumpedPeer {
  readonly publicKey: string;
  readonly endpoint: string | undefined;
  /** Sorted. */
  readonly allowedIps: readonly string[];
  /** Seconds since 1970 by the wall clock; undefined when there was none. */
  readonly handshake: number | undefined;
  readonly received: number;
  readonly sent: number;
  readonly keepalive: number | undefined;
}

/**
 * The file for `wg syncconf`, always whole: a file without [Interface] clears the private key, one without a peer
 * removes it. See wg(8).
 */
export function renderConfig({ privateKey, port, peers }: MeshConfig): string {
  const lines = ['[Interface]', `PrivateKey = ${privateKey}`, `ListenPort = ${port}`];
  for (const { publicKey, allowedIps, endpoint, keepalive } of peers) {
    lines.push('', '[Peer]', `PublicKey = ${publicKey}`, `AllowedIPs = ${allowedIps.join(', ')}`);
    if (endpoint !== undefined) lines.push(`Endpoint = ${endpoint}`);
    if (keepalive !== undefined) lines.push(`PersistentKeepalive = ${keepalive}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Read `wg show INTERFACE dump`; the private and the pre-shared keys in it are not kept. Pure. */
export function parseDump(text: string): Dump {
  const [first = '', ...rest] = text.split('\n').filter((line) => line !== '');
  const [, publicKey = '', port = ''] = first.split('\t');
  return {
    publicKey: known(publicKey),
    port: Number(port) || 0,
    peers: rest.flatMap((line) => {
      const [key, , endpoint, allowedIps, handshake, received, sent, keepalive] = line.split('\t');
      if (key === undefined || keepalive === undefined) return [];
      return {
        publicKey: key,
        endpoint: known(endpoint ?? ''),
        allowedIps: (known(allowedIps ?? '')?.split(',') ?? []).sort(),
        handshake: Number(handshake) || undefined,
        received: Number(received) || 0,
        sent: Number(sent) || 0,
        keepalive: Number(keepalive) || undefined,
      };
    }),
  };
}

/**
 * Does WireGuard have to be told anything? Compared with what it says itself, so that a change by somebody else
 * is put right, and an agent that starts anew touches nothing. Pure.
 */
export function differs(
  dump: Dump,
  publicKey: string,
  { port, peers }: Omit<MeshConfig, 'privateKey'>,
): boolean {
  if (dump.publicKey !== publicKey || dump.port !== port || dump.peers.length !== peers.length) return true;
  const seen = new Map(dump.peers.map((peer) => [peer.publicKey, peer]));
  return peers.some((peer) => {
    const there = seen.get(peer.publicKey);
    return (
      there === undefined ||
      there.keepalive !== peer.keepalive ||
      (peer.endpoint !== undefined && there.endpoint !== peer.endpoint) ||
      there.allowedIps.join() !== peer.allowedIps.join()
    );
  });
}

/** What a dump would say once WireGuard has been told: handshakes stay. Pure. */
export function afterTelling(dump: Dump, { port, peers }: Omit<MeshConfig, 'privateKey'>): Dump {
  const seen = new Map(dump.peers.map((peer) => [peer.publicKey, peer]));
  return {
    ...dump,
    port,
    peers: peers.map(({ publicKey, allowedIps, endpoint, keepalive }) => {
      const there = seen.get(publicKey) ?? { handshake: undefined, received: 0, sent: 0 };
      const known = endpoint ?? seen.get(publicKey)?.endpoint;
      return { ...there, publicKey, allowedIps, endpoint: known, keepalive };
    }),
  };
}

/**
 * The planned peers and those that WireGuard still has from an earlier run of the agent: while the cards of other
 * nodes are being found again, etcd's connections through the mesh must not break. Pure.
 *
 * @param forgotten keys of nodes that are known and are no peers for a reason
 */
export function withRetained(
  planned: readonly PlannedPeer[],
  dump: Dump,
  forgotten: ReadonlySet<string>,
): ConfiguredPeer[] {
  const keys = new Set([...forgotten, ...planned.map(({ publicKey }) => publicKey)]);
  const taken = new Set(planned.flatMap(({ allowedIps }) => allowedIps));
  const retained = dump.peers
    .filter(({ publicKey }) => !keys.has(publicKey))
    .map((peer) => ({ ...peer, allowedIps: peer.allowedIps.filter((ip) => !taken.has(ip)) }))
    .filter(({ allowedIps }) => allowedIps.length > 0);
  return [...planned, ...retained];
}

function known(word: string): string | undefined {
  return word === '(none)' || word === '' ? undefined : word;
}
