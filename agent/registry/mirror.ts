import type { EtcdClient, KeyValue, WatchNews } from '../consensus/etcd/types.ts';
import { isExpected } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import { KEYS, PREFIX } from './keys.ts';
import { VALUE_LIMIT } from './records.ts';

/** A copy of what stands below a prefix, kept by one watch, which notices by itself when it has missed something. */
export interface Mirror {
  /** Undefined until the first news. */
  readonly entries: ReadonlyMap<string, KeyValue> | undefined;
  /** Greater after each change, signs of life of role holders excepted. */
  readonly version: number;
  close(): Promise<void>;
}

/** More keys than any cluster that we serve has; beyond it new ones are not looked at. */
const KEYS_LIMIT = 50_000;

/** @param changed called after each change, signs of life of role holders excepted */
export function createMirror(
  client: Pick<EtcdClient, 'watch'>,
  log: Pick<Log, 'error'>,
  changed: () => void,
): Mirror {
  const stop = new AbortController();
  let entries: Map<string, KeyValue> | undefined;
  let version = 0;

  const take = (news: WatchNews) => {
    const quiet = onlyBeats(entries, news);
    entries = applyNews(entries, news);
    if (quiet) return;
    version += 1;
    changed();
  };

  const follow = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        for await (const news of client.watch(PREFIX, { prefix: true }, stop.signal)) take(news);
      } catch (error) {
        // The client says that it never throws for a lost connection; should it, begin again all the same.
        if (!isExpected(error, 'etcd.'))
          log.error('a fault of ours in the registry', { reason: String(error) });
      }
      await clock.pause(1_000, stop.signal);
    }
  };

  const running = follow();
  return {
    get entries() {
      return entries;
    },
    get version() {
      return version;
    },
    close: async () => {
      stop.abort();
      await running;
    },
  };
}

/** Signs of life of role holders: they come every two seconds and change nothing that the registry shows. Pure. */
function onlyBeats(before: ReadonlyMap<string, KeyValue> | undefined, news: WatchNews): boolean {
  if (news.kind === 'reset') return false;
  return news.events.every(
    ({ type, kv }) =>
      type === 'put' &&
      kv.key.startsWith(KEYS.role('')) &&
      before?.get(kv.key)?.createRevision === kv.createRevision,
  );
}

/** The copy after some news; changes it in place, but for a reset. Values that are too large keep their key only. */
function applyNews(before: Map<string, KeyValue> | undefined, news: WatchNews): Map<string, KeyValue> {
  const after = news.kind === 'reset' || before === undefined ? new Map<string, KeyValue>() : before;
  const put = (kv: KeyValue) => {
    if (!after.has(kv.key) && after.size >= KEYS_LIMIT) return;
    after.set(kv.key, kv.value.length > VALUE_LIMIT ? { ...kv, value: '' } : kv);
  };
  if (news.kind === 'reset') news.kvs.forEach(put);
  else {
    for (const { type, kv } of news.events) {
      if (type === 'delete') after.delete(kv.key);
      else put(kv);
    }
  }
  return after;
}
