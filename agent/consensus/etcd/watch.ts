import { clock } from '../../host.ts';
import { newestIn, rangeOf, watchOf } from './answers.ts';
import type { Failover } from './failover.ts';
import { newestRequest, rangeRequest, watchRequest } from './requests.ts';
import type { Transport } from './transport.ts';
import { EtcdError, type WatchEvent, type WatchNews } from './types.ts';

interface Access {
  readonly transport: Transport;
  readonly failover: Failover;
  readonly callMs: () => number;
}

/** A quiet watch is looked after this often. */
const QUIET_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Follow a key or a prefix for ever, see {@link EtcdClient.watch}.
 *
 * A watch that is quiet may be dead (its host is gone, the member is cut off, the stream was lost on the way):
 * after five quiet seconds a linearizable read at the same endpoint shows whether the member lives, has a
 * quorum, and whether it knows a change that the watch did not bring.
 */
export async function* watch(
  access: Access,
  key: string,
  { prefix = false, fromRevision }: { prefix?: boolean; fromRevision?: string },
  signal: AbortSignal,
): AsyncGenerator<WatchNews, void, void> {
  /** The last revision that the consumer has seen. */
  let seen = fromRevision === undefined ? undefined : BigInt(fromRevision) - 1n;
  let pauseMs = 0;
  while (!signal.aborted) {
    await clock.pause(pauseMs, signal);
    pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2));
    if (signal.aborted) return;
    if (seen === undefined) {
      const values = await orUndefined(() => valuesNow(access, key, prefix));
      if (values === undefined) continue;
      seen = BigInt(values.revision);
      yield { kind: 'reset', kvs: values.kvs, revision: values.revision };
    }
    const endpoint = access.failover.ranked()[0];
    if (endpoint === undefined) continue;
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener('abort', stop, { once: true });
    const guard = guardQuiet(access, endpoint, key, prefix, connection);
    try {
      for await (const result of follow(access, endpoint, key, prefix, seen + 1n, connection.signal)) {
        guard.heard(seen);
        // A store that went back, from a snapshot, has other values for the same revisions.
        const wentBack = result.kind === 'created' && BigInt(result.revision) < seen;
        if (wentBack || result.kind === 'compacted') {
          seen = undefined;
          break;
        }
        if (result.kind === 'canceled') throw new Error(result.reason);
        access.failover.worked(endpoint);
        if (result.kind === 'created') continue;
        // Only now: a member without a leader creates watches and ends them at once.
        pauseMs = 0;
        const next = newsAfter(seen, result.events, result.revision);
        seen = next.seen;
        guard.heard(seen);
        if (next.news.length === 0) continue;
        guard.hold();
        yield { kind: 'events', events: next.news, revision: String(seen) };
        guard.heard(seen);
      }
      // An orderly end of the member, unless it was ours.
      if (seen !== undefined) throw new Error('the watch has ended');
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof EtcdError && error.code === 'etcd.compacted') seen = undefined;
      access.failover.failed(endpoint);
    } finally {
      guard.end();
      connection.abort();
      signal.removeEventListener('abort', stop);
    }
  }
}

/**
 * What is new in an answer, and the revision up to which all has been seen. With events it is the last event's,
 * for the header may be ahead of what is still to come; an answer without events says that nothing is. Pure.
 */
export function newsAfter(seen: bigint, events: readonly WatchEvent[], headerRevision: string) {
  const last = events.at(-1);
  const upTo = BigInt(last === undefined ? headerRevision : last.kv.modRevision);
  return {
    news: events.filter(({ kv }) => BigInt(kv.modRevision) > seen),
    seen: upTo > seen ? upTo : seen,
  };
}

function follow(
  { transport, callMs }: Access,
  endpoint: string,
  key: string,
  prefix: boolean,
  from: bigint,
  signal: AbortSignal,
) {
  return transport.stream(endpoint, '/v3/watch', watchRequest(key, prefix, String(from)), {
    openMs: callMs(),
    leader: true,
    signal,
    parse: watchOf,
  });
}

function valuesNow({ transport, failover }: Access, key: string, prefix: boolean) {
  return failover.run('read', (endpoint, timeoutMs) =>
    transport.post(endpoint, '/v3/kv/range', rangeRequest(key, { prefix }), {
      parse: rangeOf,
      timeoutMs,
      leader: true,
    }),
  );
}

/** Ends the connection when the watch is quiet and should not be. */
function guardQuiet(
  { transport, callMs }: Access,
  endpoint: string,
  key: string,
  prefix: boolean,
  connection: AbortController,
) {
  let seen = 0n;
  let heardMs = clock.monotonicMs();
  let held = false;
  /** The newest change that the member knew at the last look; the watch has until the next look to bring it. */
  let due = 0n;
  let looking = false;
  const look = async () => {
    if (looking || held || clock.monotonicMs() - heardMs < QUIET_MS) return;
    looking = true;
    try {
      const newest = await transport.post(endpoint, '/v3/kv/range', newestRequest(key, prefix), {
        parse: newestIn,
        timeoutMs: callMs(),
        leader: true,
      });
      if (due > seen) throw new Error('the watch has missed a change');
      due = newest;
      heardMs = clock.monotonicMs();
    } catch {
      connection.abort();
    } finally {
      looking = false;
    }
  };
  const end = clock.every(1_000, () => void look());
  return {
    heard: (revision: bigint | undefined) => {
      held = false;
      heardMs = clock.monotonicMs();
      if (revision !== undefined) seen = revision;
    },
    /** The consumer is busy: silence is ours. */
    hold: () => {
      held = true;
    },
    end,
  };
}

async function orUndefined<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof EtcdError) return undefined;
    throw error;
  }
}
