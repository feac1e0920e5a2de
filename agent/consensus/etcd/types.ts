import { AgentError, type ExitName } from '../../errors.ts';
import type { Limit } from './limit.ts';

/**
 * What the rest of the agent sees of etcd. Keys and values are UTF-8 text; revisions, lease ids and member ids
 * are 64-bit numbers as decimal strings (a JavaScript number would lose digits).
 */
export interface EtcdClient {
  /** Linearizable unless told; a read is repeated at other endpoints until the deadline. */
  range(key: string, options?: RangeOptions): Promise<RangeResult>;
  put(key: string, value: string, options?: { lease?: string }): Promise<{ revision: string }>;
  delete(key: string, options?: { prefix?: boolean }): Promise<{ deleted: number; revision: string }>;
  /** All of `success` when every comparison holds, else all of `failure`. */
  txn(transaction: Txn): Promise<TxnResult>;
  /** No lease is renewed here: it runs out, and takes its keys along. */
  grantLease(ttlSeconds: number): Promise<{ id: string; ttl: number }>;
  /**
   * Begins with a `reset` (the values as they are) unless `fromRevision` is given; goes on at other endpoints
   * after the last revision; after a compaction comes another `reset`. Never throws for a lost connection, ends
   * when the signal aborts.
   */
  watch(
    key: string,
    options: { prefix?: boolean; fromRevision?: string },
    signal: AbortSignal,
  ): AsyncIterable<WatchNews>;
  members(options?: { serializable?: boolean }): Promise<readonly EtcdMember[]>;
  addMember(
    peerUrls: readonly string[],
    learner: boolean,
  ): Promise<{ id: string; members: readonly EtcdMember[] }>;
  removeMember(id: string): Promise<void>;
  promoteMember(id: string): Promise<void>;
  updateMember(id: string, peerUrls: readonly string[]): Promise<void>;
  status(endpoint: string): Promise<EtcdStatus>;
  alarms(): Promise<readonly EtcdAlarm[]>;
  disarm(memberId: string, alarm: string): Promise<void>;
  /** Forget what was before this revision. Doing it again is no error. */
  compact(revision: string): Promise<void>;
  /** The member answers nothing meanwhile: one member at a time, the leader last. At most two minutes. */
  defragment(endpoint: string): Promise<void>;
  /**
   * The member's database into a file (0600), which appears whole and verified by its SHA-256, or not at all.
   */
  snapshot(endpoint: string, file: string, signal: AbortSignal): Promise<{ bytes: number }>;
  /** A linearizable read through this endpoint works. Never throws. */
  health(endpoint: string): Promise<boolean>;
  /** Ends what is under way; watches end. */
  close(): Promise<void>;
}

export interface RangeOptions {
  /** All keys that begin with the key. */
  readonly prefix?: boolean;
  /** Whatever the asked member knows, even without a quorum. */
  readonly serializable?: boolean;
  readonly revision?: string;
  readonly limit?: number;
  readonly keysOnly?: boolean;
}

export interface RangeResult {
  readonly kvs: readonly KeyValue[];
  /** Of the store when it answered. */
  readonly revision: string;
  /** There is more than `limit` keys. */
  readonly more: boolean;
}

export interface KeyValue {
  readonly key: string;
  /** Empty for a deleted key and with `keysOnly`. */
  readonly value: string;
  readonly createRevision: string;
  readonly modRevision: string;
  readonly version: string;
  /** '0' without a lease. */
  readonly lease: string;
}

export interface Txn {
  readonly compare: readonly Compare[];
  readonly success: readonly Op[];
  readonly failure?: readonly Op[];
}

/** A key that does not exist has create revision, mod revision and version '0'. */
export interface Compare {
  readonly key: string;
  readonly target: 'create' | 'mod' | 'version' | 'value' | 'lease';
  /** `=` when absent. */
  readonly result?: '=' | '!=' | '<' | '>';
  /** Text for `value`, else a decimal number. */
  readonly value: string;
}

export type Op =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: string }
  | { readonly kind: 'delete'; readonly key: string; readonly prefix?: boolean }
  | {
      readonly kind: 'range';
      readonly key: string;
      readonly prefix?: boolean;
      readonly limit?: number;
      readonly keysOnly?: boolean;
    };

export type OpResult =
  | { readonly kind: 'put' }
  | { readonly kind: 'delete'; readonly deleted: number }
  | { readonly kind: 'range'; readonly kvs: readonly KeyValue[]; readonly more: boolean };

export interface TxnResult {
  readonly succeeded: boolean;
  readonly revision: string;
  /** Of the branch that was taken, in its order. */
  readonly responses: readonly OpResult[];
}

export type WatchNews =
  | { readonly kind: 'events'; readonly events: readonly WatchEvent[]; readonly revision: string }
  | { readonly kind: 'reset'; readonly kvs: readonly KeyValue[]; readonly revision: string };

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  readonly kv: KeyValue;
}

export interface EtcdMember {
  readonly id: string;
  /** Empty until the member has started. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly learner: boolean;
}

export interface EtcdStatus {
  readonly version: string;
  /** Bytes on disk. */
  readonly dbSize: number;
  /** Bytes that a defragmentation would leave. */
  readonly dbSizeInUse: number;
  /** Member id; '0' when it knows none. */
  readonly leader: string;
  readonly memberId: string;
  readonly clusterId: string;
  readonly raftIndex: string;
  readonly raftTerm: string;
  readonly learner: boolean;
  readonly errors: readonly string[];
}

export interface EtcdAlarm {
  readonly memberId: string;
  /** `NOSPACE`, `CORRUPT`. */
  readonly alarm: string;
}

/** PEM texts. */
export interface TlsMaterial {
  /** One or more CA certificates. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface EtcdClientOptions {
  /** Asked before each call, best first: `https://10.42.x.y:7374`. */
  readonly endpoints: () => readonly string[];
  /** Asked before each call; other material than before closes the old connections. */
  readonly tls: () => Promise<TlsMaterial | undefined> | TlsMaterial | undefined;
  /** For one call with all its attempts; 5000 when absent. */
  readonly timeoutMs?: Limit;
  /** When it says one (decimal), answers of another cluster are refused as `etcd.rejected`. */
  readonly clusterId?: () => string | undefined;
}

type EtcdErrorCode =
  | 'etcd.unreachable'
  | 'etcd.timeout'
  | 'etcd.no-leader'
  | 'etcd.compacted'
  | 'etcd.quota'
  | 'etcd.unhealthy-cluster'
  | 'etcd.not-found'
  | 'etcd.member-exists'
  | 'etcd.learner-not-ready'
  | 'etcd.permission'
  | 'etcd.rejected';

/** Where the call may be tried again: anywhere else, only if it is a read, or nowhere. */
export type Elsewhere = 'any' | 'reads' | 'none';

export interface EtcdProblem {
  readonly code: EtcdErrorCode;
  readonly message: string;
  readonly evidence?: string | undefined;
  readonly fix?: string | undefined;
  readonly cause?: unknown;
  readonly outcomeUnknown?: boolean;
  readonly elsewhere?: Elsewhere;
}

/** A call that etcd refused or did not answer. */
export class EtcdError extends AgentError {
  declare readonly code: EtcdErrorCode;
  /** A write that was sent and not answered: it may have been applied, or may yet be. */
  readonly outcomeUnknown: boolean;
  readonly elsewhere: Elsewhere;

  constructor(problem: EtcdProblem) {
    super({ ...problem, exit: EXITS[problem.code] ?? 'refused' });
    this.name = 'EtcdError';
    this.outcomeUnknown = problem.outcomeUnknown ?? false;
    this.elsewhere = problem.elsewhere ?? 'none';
  }
}

const EXITS: Readonly<Partial<Record<EtcdErrorCode, ExitName>>> = {
  'etcd.unreachable': 'notRunning',
  'etcd.timeout': 'notRunning',
  'etcd.no-leader': 'notRunning',
  'etcd.quota': 'storage',
};
