import { isDeepStrictEqual } from 'node:util';
import type { Member } from '../engine/resources.ts';
import { clock } from '../host.ts';
import { refusalsIn } from './log-lines.ts';
import { datedMembers } from './members.ts';
import { connectSerf, type SerfClient } from './rpc/client.ts';
import type { Endpoint } from './rpc/connection.ts';

/** What we hear from a running Serf, over a connection that is made again whenever it is gone. */
export interface Session {
  /**
   * Connect when needed, set the tags when they differ, and fetch the members when they are old or news came.
   *
   * @throws AgentError of the RPC; the next call starts anew
   */
  refresh(endpoint: Endpoint, tags: Readonly<Record<string, string>>, nowMs: number): Promise<void>;
  /** As of the last refresh; sorted by id. */
  readonly members: readonly Member[];
  /** Monotonic ms since which every refresh failed; undefined when the last one did not. */
  readonly silentSinceMs: number | undefined;
  /** Serf has answered since the connection was made. */
  readonly open: boolean;
  /** Something may have changed: the next refresh asks. */
  markStale(): void;
  /** Close the connection; the silence that was is forgotten. */
  reset(): void;
  /** Serf is being started by us: all that it has said when we connect is news. */
  expectNew(): void;
}

/** Events tell at once, but Serf drops them silently when 512 wait: the list is the truth. */
const MEMBERS_MS = 5_000;
/** Serf repeats the last 512 lines of its log to each new listener: of one that ran before us they are old. */
const REPLAY_MS = 1_000;

/**
 * @param onNews called when a refresh is worth while; must not throw
 * @param onRefusal see {@link refusalsIn}; must not throw
 */
export function createSession(
  onNews: () => void,
  onRefusal: (address: string, reason: string) => void,
): Session {
  let client: SerfClient | undefined;
  let tagsSet: Readonly<Record<string, string>> | undefined;
  let members: readonly Member[] = [];
  let membersMs = Number.NEGATIVE_INFINITY;
  let silentSinceMs: number | undefined;
  let stale = true;
  let started = false;

  async function connected(endpoint: Endpoint): Promise<SerfClient> {
    if (client !== undefined && !client.ended.aborted) return client;
    const fresh = await connectSerf(endpoint);
    const quietUntilMs = started ? 0 : clock.monotonicMs() + REPLAY_MS;
    try {
      await fresh.onMemberEvent(() => {
        stale = true;
        onNews();
      });
      await fresh.onLog('WARN', (entry) => {
        if (clock.monotonicMs() < quietUntilMs) return;
        for (const { address, reason } of refusalsIn(entry)) onRefusal(address, reason);
      });
    } catch (error) {
      fresh.close();
      throw error;
    }
    fresh.ended.addEventListener('abort', onNews, { once: true });
    client = fresh;
    tagsSet = undefined;
    stale = true;
    started = false;
    return fresh;
  }

  async function ask(
    endpoint: Endpoint,
    tags: Readonly<Record<string, string>>,
    nowMs: number,
  ): Promise<void> {
    const serf = await connected(endpoint);
    if (!isDeepStrictEqual(tags, tagsSet)) {
      const gone = Object.keys(tagsSet ?? {}).filter((name) => !(name in tags));
      await serf.tags(tags, gone);
      tagsSet = { ...tags };
      stale = true;
    }
    if (!stale && nowMs - membersMs < MEMBERS_MS) return;
    // Before the question: what changes while it is answered shall be asked again.
    stale = false;
    members = datedMembers(members, await serf.members(), nowMs);
    membersMs = nowMs;
  }

  function close(): void {
    const old = client;
    client = undefined;
    stale = true;
    old?.close();
  }

  return {
    refresh: async (endpoint, tags, nowMs) => {
      try {
        await ask(endpoint, tags, nowMs);
        silentSinceMs = undefined;
      } catch (error) {
        silentSinceMs ??= nowMs;
        close();
        throw error;
      }
    },
    get members() {
      return members;
    },
    get silentSinceMs() {
      return silentSinceMs;
    },
    get open() {
      return client !== undefined && !client.ended.aborted;
    },
    markStale: () => {
      stale = true;
    },
    reset: () => {
      close();
      silentSinceMs = undefined;
    },
    expectNew: () => {
      started = true;
    },
  };
}
