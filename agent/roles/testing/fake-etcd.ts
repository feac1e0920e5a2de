import type { Compare, EtcdClient, KeyValue, Txn, TxnResult, WatchNews } from '../../consensus/etcd/types.ts';
import type { Host, VirtualTime } from './virtual-time.ts';

/** How a host reaches etcd; may change at any moment. */
export interface Path {
  cut: boolean;
  /** No message is lost or late. */
  calm: boolean;
  /** Milliseconds for one way, drawn anew for each message. */
  delay(): number;
  /** A message that is lost though the path is not cut. */
  lost(): boolean;
}

export interface FakeEtcd {
  readonly values: ReadonlyMap<string, KeyValue>;
  client(host: Host, path: Path): Pick<EtcdClient, 'txn' | 'range' | 'watch'>;
  /** As etcd itself would do, at once. */
  apply(txn: Txn): TxnResult;
}

/** One linearizable store in virtual time; messages to and from it are delayed, lost, or arrive long afterwards. */
export function createFakeEtcd(time: VirtualTime): FakeEtcd {
  const values = new Map<string, KeyValue>();
  const watchers = new Set<(news: WatchNews) => void>();
  let revision = 1;

  const holds = ({ key, target, result = '=', value }: Compare): boolean => {
    if (result !== '=') throw new Error('not imitated');
    const kv = values.get(key);
    if (target === 'create') return (kv?.createRevision ?? '0') === value;
    if (target === 'mod') return (kv?.modRevision ?? '0') === value;
    if (target === 'value') return kv?.value === value;
    throw new Error('not imitated');
  };

  const apply = ({ compare, success, failure = [] }: Txn): TxnResult => {
    const succeeded = compare.every(holds);
    if (!succeeded) {
      const responses = failure.map(({ key }) => {
        const kv = values.get(key);
        return { kind: 'range', kvs: kv === undefined ? [] : [kv], more: false } as const;
      });
      return { succeeded, revision: String(revision), responses };
    }
    revision += 1;
    for (const op of success) {
      const before = values.get(op.key);
      if (op.kind === 'put') {
        const kv: KeyValue = {
          key: op.key,
          value: op.value,
          createRevision: before?.createRevision ?? String(revision),
          modRevision: String(revision),
          version: String(Number(before?.version ?? 0) + 1),
          lease: '0',
        };
        values.set(op.key, kv);
        tell({ kind: 'events', events: [{ type: 'put', kv }], revision: String(revision) });
      } else if (op.kind === 'delete' && before !== undefined) {
        values.delete(op.key);
        const kv = { ...before, value: '', modRevision: String(revision) };
        tell({ kind: 'events', events: [{ type: 'delete', kv }], revision: String(revision) });
      }
    }
    return { succeeded, revision: String(revision), responses: [] };
  };

  const tell = (news: WatchNews) => {
    for (const watcher of [...watchers]) watcher(news);
  };

  const reset = (prefix: string): WatchNews => ({
    kind: 'reset',
    kvs: [...values.values()].filter(({ key }) => key.startsWith(prefix)),
    revision: String(revision),
  });

  return {
    values,
    apply,
    client(host, path) {
      const call = <T>(work: () => T): Promise<T> =>
        new Promise((resolve, reject) => {
          time.after(5_000, () => reject(new Error('no answer')), host);
          if (path.cut || path.lost()) return;
          time.after(path.delay(), () => {
            // What is on its way arrives even when the path is cut behind it.
            const answer = work();
            if (path.cut || path.lost()) return;
            time.after(path.delay(), () => resolve(answer), host);
          });
        });
      return {
        txn: (txn) => call(() => apply(txn)),
        range: (key) =>
          call(() => {
            const kv = values.get(key);
            return { kvs: kv === undefined ? [] : [kv], revision: String(revision), more: false };
          }),
        async *watch(prefix, _options, signal) {
          const queue: WatchNews[] = [];
          let wake = () => {};
          let broken = true;
          let lastMs = 0;
          const deliver = (news: WatchNews) => {
            // In order, as on one connection.
            lastMs = Math.max(lastMs, time.nowMs() + path.delay());
            time.after(
              lastMs - time.nowMs(),
              () => {
                queue.push(news);
                wake();
              },
              host,
            );
          };
          const watcher = (news: WatchNews) => {
            if (path.cut) broken = true;
            else if (!broken) deliver(news);
          };
          const mend = () => {
            if (signal.aborted || host.gone) return;
            if (broken && !path.cut) {
              broken = false;
              deliver(reset(prefix));
            }
            time.after(500, mend);
          };
          watchers.add(watcher);
          mend();
          while (!signal.aborted) {
            const news = queue.shift();
            if (news !== undefined) yield news;
            else
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
          }
          watchers.delete(watcher);
        },
      };
    },
  };
}
