import type { EtcdClient, KeyValue, WatchNews } from '../consensus/etcd/types.ts';
import { clock } from '../host.ts';
import { PREFIX } from './keys.ts';
import { VALUE_LIMIT } from './records.ts';

/** A copy of what stands below a prefix, kept by one watch. */
export interface Mirror {
  /** Undefined until the first news. */
  readonly entries: ReadonlyMap<string, KeyValue> | undefined;
  /** Monotonic ms of the last news or proof that there are none. */
  readonly seenMs: number | undefined;
  close(): Promise<void>;
}

/** More keys than any cluster that we serve has; beyond it new ones are not looked at. */
const KEYS_LIMIT = 50_000;

/** How long a watch that has silently died may go unnoticed. */
const PROBE_MS = 15_000;

/** @param changed called after each change */
export function createMirror(client: EtcdClient, changed: () => void): Mirror {
  const stop = new AbortController();
  let entries: Map<string, KeyValue> | undefined;
  let seenMs: number | undefined;
  let revision = 0n;

  const take = (news: WatchNews) => {
    entries = applyNews(entries, news);
    revision = BigInt(news.revision);
    seenMs = clock.monotonicMs();
    changed();
  };

  /** One watch at a time, ended when a probe shows that it has missed something. */
  const follow = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const round = new AbortController();
      const end = () => round.abort();
      stop.signal.addEventListener('abort', end, { once: true });
      const probing = probe(round);
      try {
        for await (const news of client.watch(PREFIX, { prefix: true }, round.signal)) take(news);
      } catch {
        // The client says itself that it never throws for a lost connection: begin again all the same.
        await clock.pause(1_000, stop.signal);
      }
      round.abort();
      await probing;
      stop.signal.removeEventListener('abort', end);
    }
  };

  const probe = async (round: AbortController): Promise<void> => {
    let behind: bigint | undefined;
    while (!round.signal.aborted) {
      await clock.pause(PROBE_MS, round.signal);
      if (round.signal.aborted || entries === undefined) continue;
      try {
        const answer = await client.range(PREFIX, { limit: 1, keysOnly: true, prefix: true });
        const caughtUp = behind === undefined || revision >= behind;
        if (!caughtUp) return round.abort();
        behind = BigInt(answer.revision) > revision ? BigInt(answer.revision) : undefined;
        if (behind === undefined) {
          seenMs = clock.monotonicMs();
          changed();
        }
      } catch {
        behind = undefined;
      }
    }
  };

  const following = follow();
  return {
    get entries() {
      return entries;
    },
    get seenMs() {
      return seenMs;
    },
    close: async () => {
      stop.abort();
      await following;
    },
  };
}

/** The copy after some news; changes it in place, but for a reset. Values that are too large keep their key only. */
export function applyNews(before: Map<string, KeyValue> | undefined, news: WatchNews): Map<string, KeyValue> {
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
