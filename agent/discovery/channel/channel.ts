import type { Card, SignedCard } from '../../engine/resources.ts';
import { AgentError } from '../../errors.ts';
import type { PskServer } from '../../host/peer-tls.ts';
import { peerTls } from '../../host.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Log } from '../../log.ts';
import type { Standing } from '../clones.ts';
import type { DiscoveryKey } from '../cluster-keys.ts';
import type { Refusals } from '../refusals.ts';
import { answerRequest } from './answering.ts';
import { callPeer } from './calling.ts';
import { BODY_BYTES, type Refused } from './envelope.ts';
import { refusalOfClient } from './tls-refusals.ts';

/** Who is at the other end, proven on this connection. */
export interface Peer {
  readonly id: string;
  /** Absent when it enrols with a token. */
  readonly card?: Card | undefined;
  readonly signed?: SignedCard | undefined;
  readonly hash?: string | undefined;
  /** The IP address that it has here. */
  readonly address: string;
  readonly standing: Standing;
  /** The enrolment token by which it came in, when it holds no cluster key. */
  readonly token?: string | undefined;
  /** Fingerprint of the replaced cluster key by which it came in, to ask for the new one. */
  readonly replacedKey?: string | undefined;
}

export type Handler = (peer: Peer, body: unknown) => Promise<unknown>;

export interface Target {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

/** A token as its holder uses it to enrol. */
interface TokenKey {
  readonly id: string;
  /** 32 bytes derived from the token's secret. */
  readonly key: Uint8Array;
}

export type Called =
  | { readonly answer: unknown; readonly peer: Peer; readonly refused?: never; readonly failed?: never }
  /** By them, or by us because of what they showed; `refused.code` is stable. */
  | { readonly refused: Refused; readonly answer?: never; readonly peer?: never; readonly failed?: never }
  /** Nobody there, no answer in time, or no sense in it. */
  | { readonly failed: string; readonly answer?: never; readonly peer?: never; readonly refused?: never };

/** What the channel needs to know at each moment. */
export interface ChannelSelf {
  readonly identity: Identity;
  /** Until it is made, only an enrolment is possible. */
  readonly card?: SignedCard | undefined;
  /** Newest first; several during a rotation, none before an enrolment. */
  readonly keys: readonly DiscoveryKey[];
  readonly tokens: readonly TokenKey[];
  /** Cluster keys that were replaced lately: good for asking for the new one, and for nothing else. */
  readonly retired?: readonly Pick<DiscoveryKey, 'fingerprint' | 'channel'>[] | undefined;
  readonly evicted: ReadonlySet<string>;
  /** Of the mesh. */
  readonly range: string;
}

export interface ChannelDeps {
  readonly log: Log;
  readonly refusals: Refusals;
  readonly self: () => ChannelSelf | undefined;
  readonly standing: () => Standing;
  /** A run with our own identity and another instance has proved itself; the standing is ours as it was sent. */
  readonly metOurself: (own: Standing, other: Standing, address: string) => 'keeps' | 'yields';
  /** A member told us that our identity is in use at this address; it is not proven. */
  readonly toldDuplicate: (address: string, by: string) => void;
  /** The last word on a proven peer, on both sides; `undefined` lets it in. */
  readonly admit: (peer: Peer) => Promise<Refused | undefined>;
  /** Whether the card of a member names this address: places are kept for those. */
  readonly isKnown?: ((address: string) => boolean) | undefined;
  readonly timeoutMs?: number;
}

export interface PeerChannel {
  /** @throws Error when the kind is taken */
  handle(kind: string, handler: Handler): void;
  /** Never throws; at most 5 s. */
  call(target: Target, kind: string, body: unknown, options?: CallOptions): Promise<Called>;
  /**
   * Listen on a port; on another one when it changed.
   *
   * @throws AgentError `discovery.port-busy`, `discovery.port-refused`
   */
  start(port: number, host?: string): Promise<{ readonly port: number }>;
  stop(): Promise<void>;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Call with an enrolment token in place of the cluster key. */
  readonly token?: TokenKey | undefined;
  /** Call with a cluster key that others may have replaced meanwhile. Proves our identity, shows no card. */
  readonly replaced?: boolean | undefined;
  /** Shorter than the usual 5 s. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 5_000;
/** A rack behind one address (NAT, containers) must get through; one hostile machine must not take all. */
const PLACES = { connections: 64, connectionsOfOneAddress: 24 };

/**
 * The channel between agents on the LAN: HTTPS under a key derived from the cluster's, in which both sides prove
 * their identity in each exchange. Everything is bounded: connections, bytes, time.
 */
export function createPeerChannel(deps: ChannelDeps): PeerChannel {
  const handlers = new Map<string, Handler>();
  const timeoutMs = deps.timeoutMs ?? TIMEOUT_MS;
  let server: PskServer | undefined;
  let wanted: string | undefined;
  const stop = async () => {
    const old = server;
    server = undefined;
    wanted = undefined;
    await old?.close();
  };
  return {
    handle(kind, handler) {
      if (handlers.has(kind)) throw new Error(`two handlers for ${kind}`);
      handlers.set(kind, handler);
    },
    call: (target, kind, body, options = {}) =>
      callPeer(deps, target, kind, body, { ...options, timeoutMs: options.timeoutMs ?? timeoutMs }),
    stop,
    async start(port, host) {
      if (server !== undefined && wanted === `${host} ${port}`) return { port: server.port };
      await stop();
      try {
        server = await peerTls.serve({
          port,
          ...(host === undefined ? {} : { host }),
          keyOf: (identity, address) => keyOf(deps, identity, address),
          answer: (request) => answerRequest(deps, handlers, request),
          onRefused: (address, code) => {
            const refused = refusalOfClient(code);
            if (refused) deps.refusals.record(address, refused.code, refused.reason);
          },
          bodyBytes: BODY_BYTES,
          timeoutMs,
          places: PLACES,
          isKnown: (address) => deps.isKnown?.(address) ?? false,
        });
      } catch (cause) {
        throw notListening(port, cause);
      }
      wanted = `${host} ${port}`;
      return { port: server.port };
    },
  };
}

/** The key that a client names; whoever names another is told apart by its fingerprint. */
function keyOf(deps: ChannelDeps, identity: string, address: string): Uint8Array | undefined {
  const [kind, name = ''] = identity.split(':', 2);
  const self = deps.self();
  if (kind === 'key' && /^[0-9a-f]{8}$/.test(name)) {
    const key = self?.keys.find((one) => one.fingerprint === name);
    if (key === undefined && self !== undefined && self.keys.length > 0) {
      deps.refusals.record(address, 'other-key', `its cluster key is another (fingerprint ${name})`);
    }
    return key?.channel;
  }
  if (kind === 'rekey') {
    const known = [...(self?.keys ?? []), ...(self?.retired ?? [])].find((one) => one.fingerprint === name);
    if (known === undefined && self !== undefined && self.keys.length > 0) {
      deps.refusals.record(
        address,
        'other-key',
        `its cluster key was never ours (fingerprint ${shown(name)})`,
      );
    }
    return known?.channel;
  }
  const token = kind === 'token' ? self?.tokens.find(({ id }) => id === name) : undefined;
  if (token === undefined) {
    deps.refusals.record(
      address,
      kind === 'token' ? 'token' : 'no-key',
      kind === 'token' ? 'its token is unknown, expired or used up' : 'it names no cluster key',
    );
  }
  return token?.key;
}

/** A stranger's words. */
function shown(name: string): string {
  return name.replace(/[^0-9a-f]/g, '?').slice(0, 8);
}

function notListening(port: number, cause: unknown): AgentError {
  const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const busy = errno === 'EADDRINUSE';
  return new AgentError({
    code: busy ? 'discovery.port-busy' : 'discovery.port-refused',
    exit: 'internal',
    message: busy
      ? `port ${port}/tcp, where other nodes ask for our card, is used by another program`
      : `port ${port}/tcp cannot be listened on: ${errno}`,
    fix: busy
      ? `stop the other program (ss -ltnp 'sport = :${port}'), or set discovery.port, alike on all nodes`
      : 'see the message; it is tried again by itself',
    cause,
  });
}
