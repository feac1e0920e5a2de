import type * as z from 'zod';
import type { LabelChanges } from '../config/labels.ts';
import type { Agreement, Report } from '../timers/agree.ts';
import { PREFIX } from './keys.ts';
import {
  evictedRecord,
  holderRecord,
  ipv4,
  labelsRecord,
  moveRecord,
  nodeId,
  nodeName,
  nodeRecord,
  parseValue,
  roleName,
  timersAgreement,
  timersReport,
  tokenId,
  tokenRecord,
  VALUE_LIMIT,
} from './records.ts';
import type { Holder, Move, RegisteredNode, Registry, Token } from './registry.ts';

/** What the reducer needs of etcd's key-value. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: string;
  readonly modRevision: string;
  /** '0' without one. */
  readonly lease: string;
}

interface Reduced {
  readonly registry: Registry;
  /** Keys whose names or values are malformed or too large, and were left out. */
  readonly ignored: readonly string[];
}

/** The registry that some key-values make; sorted, so that the same state is the same value. Pure, never throws. */
export function registryOf(entries: Iterable<Entry>): Reduced {
  const nodes: RegisteredNode[] = [];
  const addresses: [string, string][] = [];
  const names: [string, string][] = [];
  const holders: Holder[] = [];
  const evicted: string[] = [];
  const evictedNames: [string, string][] = [];
  const tokens: Token[] = [];
  const labels: [string, LabelChanges][] = [];
  const moves: [string, Move][] = [];
  const reports: [string, Report][] = [];
  let agreed: Agreement | undefined;
  let turn: string | undefined;
  const ignored: string[] = [];
  const readers: Readonly<Record<string, (name: string, entry: Entry) => boolean>> = {
    nodes: (id, entry) => {
      const node = nodeIn.get(entry) ?? nodeOf(id, entry);
      if (node === undefined) return false;
      nodeIn.set(entry, node);
      return nodes.push(node) > 0;
    },
    addresses: (ip, { value }) =>
      matches(ipv4, ip) && matches(nodeId, value) && addresses.push([ip, value]) > 0,
    names: (name, { value }) =>
      matches(nodeName, name) && matches(nodeId, value) && names.push([name, value]) > 0,
    roles: (role, { value, createRevision: fence }) => {
      const record = parseValue(holderRecord, value);
      if (!matches(roleName, role) || record === undefined) return false;
      const { id, since, address } = record;
      return holders.push({ role, id, fence, since, ...(address === undefined ? {} : { address }) }) > 0;
    },
    evicted: (id, { value }) => {
      if (!matches(nodeId, id) || value.length > VALUE_LIMIT) return false;
      const name = parseValue(evictedRecord, value)?.name;
      if (name !== undefined) evictedNames.push([id, name]);
      return evicted.push(id) > 0;
    },
    moves: (role, { value, lease, createRevision: fence, modRevision: revision }) => {
      const record = parseValue(moveRecord, value);
      // Without a lease it would never end.
      if (!matches(roleName, role) || record === undefined || lease === '0') return false;
      return moves.push([role, { ...record, lease, fence, revision }]) > 0;
    },
    labels: (id, { value }) => {
      const record = parseValue(labelsRecord, value);
      return matches(nodeId, id) && record !== undefined && labels.push([id, record.changes]) > 0;
    },
    timers: (name, { value }) => {
      const [, id] = /^nodes\/(.+)$/.exec(name) ?? [];
      if (name === 'agreed') agreed = parseValue(timersAgreement, value);
      if (name === 'agreed') return agreed !== undefined;
      // What is no node gets its turn ended as what is no voter does: else nobody would ever have one again.
      if (name === 'turn') turn = value;
      if (name === 'turn') return matches(nodeId, value);
      const report = parseValue(timersReport, value);
      return (
        id !== undefined && matches(nodeId, id) && report !== undefined && reports.push([id, report]) > 0
      );
    },
    tokens: (id, { value }) => {
      const record = parseValue(tokenRecord, value);
      return matches(tokenId, id) && record !== undefined && tokens.push({ id, ...record }) > 0;
    },
  };
  for (const entry of entries) {
    const [, kind = '', name = ''] = /^([a-z]+)\/(.+)$/s.exec(withoutPrefix(entry.key)) ?? [];
    // Kinds that we do not know are another version's or another part's.
    const read = Object.hasOwn(readers, kind) ? readers[kind] : undefined;
    if (read !== undefined && !read(name, entry)) ignored.push(entry.key.slice(0, 200));
  }
  return {
    registry: {
      nodes: nodes.sort(by(({ id }) => id)),
      addresses: Object.fromEntries(addresses.sort(by(([ip]) => ip))),
      names: Object.fromEntries(names.sort(by(([name]) => name))),
      holders: holders.sort(by(({ role }) => role)),
      evicted: evicted.sort(),
      ...(evictedNames.length === 0
        ? {}
        : { evictedNames: Object.fromEntries(evictedNames.sort(by(([id]) => id))) }),
      tokens: tokens.sort(by(({ id }) => id)),
      ...(moves.length === 0 ? {} : { moves: Object.fromEntries(moves.sort(by(([role]) => role))) }),
      ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels.sort(by(([id]) => id))) }),
      ...(agreed === undefined && reports.length === 0
        ? {}
        : { timers: { agreed, turn, reports: Object.fromEntries(reports.sort(by(([id]) => id))) } }),
    },
    ignored,
  };
}

function nodeOf(id: string, { value }: Entry): RegisteredNode | undefined {
  const record = matches(nodeId, id) ? parseValue(nodeRecord, value) : undefined;
  return record === undefined ? undefined : { id, ...record };
}

/** What an entry says does not change, and most entries are the ones of before. */
const nodeIn = new WeakMap<Entry, RegisteredNode>();

function withoutPrefix(key: string): string {
  return key.startsWith(PREFIX) ? key.slice(PREFIX.length) : '';
}

function matches(schema: z.ZodType, value: string): boolean {
  return schema.safeParse(value).success;
}

function by<T>(keyOf: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0);
}
