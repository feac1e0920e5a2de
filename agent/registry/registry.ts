import type { LabelChanges, Labels } from '../config/labels.ts';
import type { SignedCard } from '../engine/resources.ts';
import type { Agreement, Report } from '../timers/agree.ts';

/** What stands in etcd below `/clusteros/v1/`. */
export interface Registry {
  readonly nodes: readonly RegisteredNode[];
  /** Mesh address to node id. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Name to node id. */
  readonly names: Readonly<Record<string, string>>;
  readonly holders: readonly Holder[];
  readonly evicted: readonly string[];
  /** What evicted nodes were called: their cards and records are gone. */
  readonly evictedNames?: Readonly<Record<string, string>>;
  readonly tokens: readonly Token[];
  /** Roles on their way, by role; absent while there are none. */
  readonly moves?: Readonly<Record<string, Move>>;
  /** What operators changed of the labels in the settings of nodes, by id; absent while it is nothing. */
  readonly labels?: Readonly<Record<string, LabelChanges>>;
  /** Absent before the first report. */
  readonly timers?: {
    readonly agreed: Agreement | undefined;
    /** Who may restart its etcd. */
    readonly turn: string | undefined;
    readonly reports: Readonly<Record<string, Report>>;
  };
}

export interface RegisteredNode {
  readonly id: string;
  readonly signed: SignedCard;
  /** ISO 8601. */
  readonly registeredAt: string;
  /** Of its settings; absent without any. */
  readonly labels?: Labels | undefined;
}

export interface Holder {
  readonly role: string;
  readonly id: string;
  /** etcd's create revision of the lease's key: greater for each later holder. */
  readonly fence: string;
  /** ISO 8601, the holder's clock. */
  readonly since: string;
  /** A service address that moves with the role. */
  readonly address?: string | undefined;
}

/** An operator's wish that a role goes to a node. It ends with a lease of etcd's, whatever becomes of it. */
export interface Move {
  /** Node id. */
  readonly to: string;
  /** etcd's create revision of the wish. */
  readonly fence: string;
  /** etcd's revision of the answer; of the wish while there is none. */
  readonly revision: string;
  /** etcd's lease. */
  readonly lease: string;
  /** Of that node: only then the holder gives the role back. */
  readonly answer?: 'ready' | { readonly reason: string; readonly endedBy: string } | undefined;
}

export interface Token {
  readonly id: string;
  /** base64 of the pre-shared key derived from the token's secret. */
  readonly key: string;
  /** ISO 8601, by the clock of the node that made it. */
  readonly expires: string;
  readonly ttlSeconds?: number | undefined;
  readonly usesLeft: number;
  readonly note?: string | undefined;
}
