import type { LabelChanges } from '../config/labels.ts';

/** What an operator can have done to the node or its cluster; each ends in a sentence, or in an AgentError. */
export interface Operations {
  /** Ask a machine, `host`, `host:port` or `[IPv6]:port`, besides those of the settings; kept over restarts. */
  join(address: string): Promise<Done>;
  /** Ask it no more. */
  forgetJoin(address: string): Promise<Done>;
  leave(): Promise<Done>;
  createToken(wish: TokenWish): Promise<CreatedToken>;
  listTokens(): Promise<readonly TokenView[]>;
  revokeToken(id: string): Promise<Done>;
  /** @param node id */
  evict(node: string, wish?: EvictWish): Promise<Done>;
  readmit(node: string): Promise<Done>;
  /** @param node id */
  label(node: string, wish: LabelWish): Promise<Done>;
  moveRole(role: string, node: MoveTarget): Promise<Done>;
  rotateKey(): Promise<Done>;
  reset(): Promise<Done>;
  recover(wish: RecoverWish): Promise<Done>;
  /** Who answers and who was last seen when, before a recovery; a line each. */
  survey(): Promise<{ readonly lines: readonly string[] }>;
  /** Of the cluster's data, in the folder of this node's snapshots. */
  takeSnapshot(): Promise<SnapshotView>;
  /** Those of this node, oldest first. */
  listSnapshots(): Promise<readonly SnapshotView[]>;
}

export interface SnapshotView {
  /** On this node. */
  readonly file: string;
  /** ISO 8601. */
  readonly takenAt: string;
  readonly bytes: number;
}

export interface EvictWish {
  /** By which it can be readmitted, when nobody else knows it any more. */
  readonly name?: string | undefined;
  /** End every enrolment token in the same transaction. */
  readonly revokeTokens?: boolean | undefined;
}

export interface LabelWish {
  /** For the answer. */
  readonly name: string;
  readonly changes: LabelChanges;
  /** First forget what was changed before. */
  readonly reset?: boolean | undefined;
}

export interface MoveTarget {
  readonly id: string;
  readonly name: string;
  /** As gossip sees it. */
  readonly status: string;
}

export interface Done {
  /** What was done, one sentence without a full stop. */
  readonly done: string;
  /** What the operator should know or do next. */
  readonly note?: string | undefined;
}

/** What a token may be at most; what takes a wish checks it. */
export const TOKEN_LIMITS = { leastSeconds: 60, mostSeconds: 366 * 86_400, mostUses: 10_000 } as const;

/** Within {@link TOKEN_LIMITS}. */
export interface TokenWish {
  readonly ttlSeconds: number;
  readonly uses: number;
  readonly note?: string | undefined;
}

export interface CreatedToken {
  readonly id: string;
  /** The only time that it is shown: `<id>.<secret>`. */
  readonly token: string;
  /** ISO 8601. */
  readonly expires: string;
  readonly uses: number;
}

/** A token without anything by which it could be used. */
export interface TokenView {
  readonly id: string;
  readonly expires: string;
  readonly expired: boolean;
  readonly usesLeft: number;
  readonly note: string | undefined;
}

export type RecoverWish =
  | {
      readonly mode: 'from-snapshot' | 'force-new-cluster';
      /** A file on this node; the newest snapshot when absent. */
      readonly snapshot?: string | undefined;
    }
  /** `node`: id, beginning of the id, or name of the one that recovered our cluster. */
  | { readonly mode: 'follow'; readonly node: string }
  /** Start etcd with the data on this disk, although other nodes know a newer past of this one. */
  | { readonly mode: 'trust-disk' };
