import type { StepName } from '../config/settings.ts';
import type { Facts } from '../gather.ts';
import type { Registry } from '../registry/registry.ts';
import type { Lateness } from '../timers/choose.ts';

/**
 * What the agent knows, as named values. Each has one controller that writes it; others read it and are called
 * again when it changes. The values are plain and frozen by habit: a controller returns new ones.
 */
export interface Resources {
  /** What the inputs of the node said: identity, cluster key, settings. */
  facts: Facts;
  /** The network interfaces that lead to a LAN. Writer: `links`. */
  links: readonly Link[];
  /** Where nodes of our cluster were heard or are said to be. Writer: `beacon`. */
  contacts: readonly Contact[];
  /** Our own card as others get it. Writer: `own-card`. */
  ownCard: SignedCard;
  /** The verified cards of other nodes. Writer: `cards`. */
  cards: readonly KnownCard[];
  /** What Serf says. Writer: `gossip`. */
  gossip: Gossip;
  /** Our place in the mesh, and whom we may reach there. Writer: `mesh`. */
  mesh: Mesh;
  /** Raft: whether there is a cluster, and what we are in it. Writer: `consensus`. */
  consensus: Consensus;
  /** The pace of this node. Writer: `timers`. */
  timers: Timers;
  /** The cluster's state in etcd, as last seen by watch. Writer: `registry`. */
  registry: Registry;
  /** The roles that run here or elsewhere. Writer: `roles`. */
  roles: readonly RoleState[];
}

export interface Link {
  readonly name: string;
  /** The kernel's number of the interface. */
  readonly index: number;
  readonly mac: string;
  readonly addresses: readonly LinkAddress[];
  readonly multicast: boolean;
}

export interface LinkAddress {
  readonly family: 'IPv4' | 'IPv6';
  readonly address: string;
  /** Bits of the network. */
  readonly prefix: number;
  readonly broadcast?: string | undefined;
}

export interface Contact {
  /** An IP address. */
  readonly address: string;
  /** TCP port of the peer channel. */
  readonly peerPort: number;
  readonly via: 'beacon' | 'join' | 'dns' | 'gossip';
  /** Node id, when the contact said it (not yet verified). */
  readonly id?: string | undefined;
  /** Name of the link that it was heard on. */
  readonly link?: string | undefined;
  /** Monotonic ms when it was last heard, resolved or told. */
  readonly heardMs: number;
}

/** Who a node says it is. Signed, see {@link SignedCard}. */
export interface Card {
  readonly version: 1;
  /** base58 of the Ed25519 public key. */
  readonly id: string;
  readonly name: string;
  /** Greater in each newer card of the same node; kept on disk, never from the clock alone. */
  readonly sequence: number;
  /** base64 of the WireGuard public key. */
  readonly meshKey: string;
  /** The mesh address that the node claims. */
  readonly meshAddress: string;
  /** LAN addresses, best first, without the mesh's. */
  readonly addresses: readonly string[];
  readonly ports: {
    readonly gossip: number;
    readonly peer: number;
    readonly mesh: number;
    readonly raft: number;
    readonly etcd: number;
  };
  readonly versions: {
    readonly agent: string;
    readonly image: string;
    readonly serf: string;
    readonly etcd: string;
  };
  /** The cluster that the node has joined or founded; absent before. */
  readonly genesis?: Genesis | undefined;
}

/** The birth of a cluster, spread with the cards. */
export interface Genesis {
  /** Random; etcd's initial cluster token. */
  readonly uuid: string;
  /** Node id of the founder. */
  readonly founder: string;
  /** The size that the founder waited for, when one was set. */
  readonly expect?: number | undefined;
  /** Clusters that this one was recovered from, the latest first; at most 16. */
  readonly ancestors?: readonly string[] | undefined;
  /** Ed25519 by the founder over the other fields, base64. */
  readonly signature: string;
}

/** A card as it travels and is stored. The exact bytes are what is signed: no canonical JSON is needed. */
export interface SignedCard {
  /** base64 of the card's JSON. */
  readonly body: string;
  /** Ed25519 by the node's identity, base64. */
  readonly signature: string;
  /** HMAC-SHA256 with the cluster key's `card` subkey, base64. */
  readonly mac: string;
}

export interface KnownCard {
  readonly card: Card;
  readonly signed: SignedCard;
  /** First 16 hexadecimal digits of SHA-256 of the card's bytes, as in Serf's tag `card`. */
  readonly hash: string;
  /** The address at which the node proved to be this one, by the peer channel; absent for a relayed card. */
  readonly address?: string | undefined;
  /** Monotonic ms of the last proof of presence over the peer channel; absent for a relayed card. */
  readonly provenMs?: number | undefined;
}

export interface Gossip {
  readonly running: boolean;
  /** Empty until Serf answers. Ourselves are among them. */
  readonly members: readonly Member[];
  /** The address that we give to others. */
  readonly advertise?: string | undefined;
}

export interface Member {
  /** Serf's name is the node id. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly status: 'alive' | 'leaving' | 'left' | 'failed';
  readonly tags: Readonly<Record<string, string>>;
  /** Monotonic ms since which the status is what it is, as far as we saw. */
  readonly sinceMs: number;
}

export interface Mesh {
  /** The interface is up and carries our address. */
  readonly ready: boolean;
  readonly driver: 'kernel' | 'wireguard-go' | undefined;
  /** Our address in the mesh; chosen as soon as the identity is known. */
  readonly address?: string | undefined;
  /** Bytes of the largest packet; less than the settings say where a path carries less. */
  readonly mtu?: number | undefined;
  readonly peers: readonly MeshPeer[];
}

export interface MeshPeer {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  /** `IP:port` on the LAN. */
  readonly endpoint?: string | undefined;
  /** Seconds since the last handshake; undefined when there was none. */
  readonly handshakeAge?: number | undefined;
}

/** `none`: there is no cluster yet, or we are not in it. */
export type Place = 'none' | 'client' | 'learner' | 'voter';

export interface Consensus {
  readonly genesis?: Genesis | undefined;
  /** A majority of the expected nodes, or a second node, has taken the genesis for its own. */
  readonly confirmed: boolean;
  readonly place: Place;
  /** etcd answered a linearizable read within the last seconds. */
  readonly quorum: boolean;
  /** Node id of the machine with the Raft leader. */
  readonly leader?: string | undefined;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** `https://10.42.x.y:7374` of every started voter: where clients go. */
  readonly endpoints: readonly string[];
  /** The voters as a majority last said, kept on the disk. */
  readonly lastVoters?: readonly string[];
  /** An operator's order: the node whose recovered cluster is followed, and whose key is believed. */
  readonly follow?: string;
  /** PEM files for clients of etcd. */
  readonly tls?: TlsFiles | undefined;
  /** etcd's database in bytes, and its limit. */
  readonly databaseBytes?: number | undefined;
  readonly quotaBytes?: number | undefined;
  readonly alarms: readonly string[];
  /** What etcd here runs with; absent while it does not serve, or is about to be started again. */
  readonly timers?: StepName | undefined;
  /** Where this node keeps snapshots: of the newest one, ISO 8601, and why the last one could not be taken. */
  readonly snapshot?: { readonly takenAt?: string | undefined; readonly failed?: string | undefined };
}

/** The pace of this node, and every limit that follows from it. */
export interface Timers {
  readonly step: StepName;
  /** Who says so: the settings, the cluster, or this node alone, while it knows of no cluster or reaches none. */
  readonly source: 'settings' | 'cluster' | 'own';
  readonly why: string;
  /** What etcd here is to run with: the step, once it is this node's turn. */
  readonly etcd: StepName;
  /** etcd may be restarted for it now. */
  readonly turn: boolean;
  /** What this machine alone needs. */
  readonly need: StepName;
  /** As it was when something of the above changed; absent until enough was measured. */
  readonly lateness?: Lateness | undefined;
  readonly leaseSeconds: number;
  readonly graceSeconds: number;
}

export interface CertificateFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface TlsFiles extends CertificateFiles {
  /** Counts up whenever one of them was written. */
  readonly generation: number;
}

export interface RoleState {
  readonly role: string;
  readonly state: 'unwanted' | 'waiting' | 'candidate' | 'holding' | 'stopping' | 'failed';
  /** Node id, here or elsewhere. */
  readonly holder?: string | undefined;
  readonly fence?: string | undefined;
  readonly address?: string | undefined;
  /** For `waiting` and `failed`. */
  readonly reason?: string | undefined;
  /** What would end the reason. */
  readonly endedBy?: string | undefined;
  /** Monotonic ms since which state and reason are what they are. */
  readonly sinceMs?: number | undefined;
}
