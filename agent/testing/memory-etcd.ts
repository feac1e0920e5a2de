import type { Compare, EtcdClient, KeyValue, Op, OpResult, Txn } from '../consensus/etcd/types.ts';

/** The key-value part of etcd in memory, with real revisions and comparisons: enough for compare-and-swap. */
export function createMemoryEtcd(): Pick<EtcdClient, 'range' | 'put' | 'delete' | 'txn' | 'grantLease'> & {
  /** Let the time of leases pass. */
  readonly pass: (seconds: number) => void;
  readonly keys: () => string[];
  /** All that were asked for, the oldest first. */
  readonly transactions: readonly Txn[];
} {
  const store = new Map<string, KeyValue>();
  const transactions: Txn[] = [];
  /** Seconds that each still has. */
  const leases = new Map<string, number>();
  let revision = 0;
  const within = (key: string, prefix = false) =>
    [...store.values()]
      .filter((kv) => (prefix ? kv.key.startsWith(key) : kv.key === key))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  const apply = (op: Op): OpResult => {
    if (op.kind === 'range') return { kind: 'range', kvs: within(op.key, op.prefix), more: false };
    if (op.kind === 'delete') {
      const gone = within(op.key, op.prefix);
      for (const { key } of gone) store.delete(key);
      return { kind: 'delete', deleted: gone.length };
    }
    const old = store.get(op.key);
    store.set(op.key, {
      key: op.key,
      value: op.value,
      createRevision: old?.createRevision ?? String(revision),
      modRevision: String(revision),
      version: String(Number(old?.version ?? 0) + 1),
      lease: op.lease ?? '0',
    });
    return { kind: 'put' };
  };
  const holds = ({ key, target, result = '=', value }: Compare): boolean => {
    const kv = store.get(key);
    const found = {
      create: kv?.createRevision ?? '0',
      mod: kv?.modRevision ?? '0',
      version: kv?.version ?? '0',
      value: kv?.value ?? '',
      lease: kv?.lease ?? '0',
    }[target];
    if (result === '=') return found === value;
    if (result === '!=') return found !== value;
    return result === '<' ? Number(found) < Number(value) : Number(found) > Number(value);
  };
  const act = (ops: readonly Op[]) => {
    if (ops.some(({ kind }) => kind !== 'range')) revision += 1;
    return ops.map(apply);
  };
  return {
    keys: () => [...store.keys()].sort(),
    range: async (key, options = {}) => ({
      kvs: within(key, options.prefix),
      revision: String(revision),
      more: false,
    }),
    put: async (key, value) => {
      act([{ kind: 'put', key, value }]);
      return { revision: String(revision) };
    },
    delete: async (key, options = {}) => {
      const [result] = act([{ kind: 'delete', key, ...options }]);
      return { deleted: result?.kind === 'delete' ? result.deleted : 0, revision: String(revision) };
    },
    transactions,
    grantLease: async (ttl) => {
      const id = String(leases.size + 1);
      leases.set(id, ttl);
      return { id, ttl };
    },
    pass: (seconds) => {
      for (const [id, left] of leases) leases.set(id, left - seconds);
      for (const { key, lease } of store.values()) if ((leases.get(lease) ?? 1) <= 0) store.delete(key);
    },
    txn: async (transaction) => {
      transactions.push(transaction);
      const { compare, success, failure = [] } = transaction;
      const succeeded = compare.every(holds);
      const responses = act(succeeded ? success : failure);
      return { succeeded, revision: String(revision), responses };
    },
  };
}
