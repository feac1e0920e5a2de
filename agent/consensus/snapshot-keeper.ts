import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import type { EtcdClient } from './etcd/types.ts';
import { listSnapshots, type SnapshotFile, takeSnapshot } from './snapshots.ts';

/** Takes a snapshot each hour where this node is to keep some, beside everything else: a large one takes minutes. */
export interface SnapshotKeeper {
  /**
   * Begin one, if it is time.
   *
   * @param endpoints of the voters, none while they do not answer: a learner serves no snapshots (etcd 3.4 to 3.6)
   */
  look(keeps: boolean, endpoints: readonly string[], nowMs: number): Promise<void>;
  /** Now, as an operator wants it. @throws what keeps it from being taken */
  take(): Promise<SnapshotFile>;
  state(): SnapshotState;
  close(): void;
}

export interface SnapshotState {
  /** This node is one of those that keep snapshots. */
  readonly keeps: boolean;
  readonly newest?: SnapshotFile | undefined;
  /** Why none can be taken: absent until `TOLD_AFTER` attempts in a row have failed. */
  readonly failed?: string | undefined;
}

const EVERY_MS = 3_600_000;
/** A node that has just come has better things to do. */
const FIRST_MS = 120_000;
const RETRY_MS = 60_000;
/** Voters that start again at that moment are no reason to call somebody. */
const TOLD_AFTER = 3;

export function createSnapshotKeeper(
  client: Pick<EtcdClient, 'snapshot'>,
  state: string,
  log: Pick<Log, 'info' | 'warning'>,
): SnapshotKeeper {
  const closed = new AbortController();
  let seen: SnapshotState = { keeps: false };
  let dueMs: number | undefined;
  let voters: readonly string[] = [];
  let turn = 0;
  let lookedMs = 0;
  let failures = 0;
  let running: Promise<SnapshotFile> | undefined;

  /** From one voter after the other: the one that was asked first may hang or start again. */
  async function fromAnyVoter(): Promise<SnapshotFile> {
    const first = turn++;
    let failed: unknown = new AgentError({
      code: 'snapshot.no-voter',
      exit: 'notDone',
      message: 'no voter is known that could give a snapshot',
      fix: 'node-agent status says what this node waits for',
    });
    for (const index of voters.keys()) {
      closed.signal.throwIfAborted();
      const endpoint = voters[(first + index) % voters.length] ?? '';
      try {
        return await takeSnapshot(client, endpoint, state, closed.signal);
      } catch (error) {
        failed = error;
      }
    }
    throw failed;
  }

  async function attempt(): Promise<SnapshotFile> {
    try {
      const newest = await fromAnyVoter();
      failures = 0;
      seen = { ...seen, newest, failed: undefined };
      log.info('took a snapshot', { file: newest.file });
      return newest;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failures += 1;
      // Also after one that an operator wanted: the condition says that it is tried again.
      dueMs &&= Math.min(dueMs, lookedMs + RETRY_MS);
      if (failures >= TOLD_AFTER) seen = { ...seen, failed: reason };
      const severity = failures === TOLD_AFTER ? 'warning' : 'info';
      if (!closed.signal.aborted) log[severity]('no snapshot could be taken', { reason, failures });
      throw error;
    }
  }

  /** One at a time: who comes meanwhile gets the one under way. */
  const take = (): Promise<SnapshotFile> => {
    running ??= attempt().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    state: () => seen,
    take,
    close: () => closed.abort(),
    async look(keeps, endpoints, nowMs) {
      voters = endpoints;
      lookedMs = nowMs;
      if (!keeps || endpoints.length === 0) {
        seen = { ...seen, keeps };
        return;
      }
      if (dueMs === undefined) {
        const newest = (await listSnapshots(state)).at(-1);
        const ageMs = newest && clock.wallClock().getTime() - Date.parse(newest.takenAt);
        // A clock that went back says nothing.
        const leftMs = ageMs === undefined || ageMs < 0 ? 0 : EVERY_MS - ageMs;
        dueMs = nowMs + Math.max(FIRST_MS, leftMs);
        seen = { ...seen, newest };
      }
      seen = { ...seen, keeps };
      if (nowMs < dueMs || running !== undefined) return;
      dueMs = nowMs + EVERY_MS;
      take().catch(() => {});
    },
  };
}
