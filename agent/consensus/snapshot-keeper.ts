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
  /** Why the last one could not be taken. */
  readonly failed?: string | undefined;
}

const EVERY_MS = 3_600_000;
/** A node that has just come has better things to do. */
const FIRST_MS = 120_000;
const RETRY_MS = 300_000;

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
  let running: Promise<SnapshotFile> | undefined;

  async function attempt(): Promise<SnapshotFile> {
    try {
      // One that fails may be of a voter that hangs: the next one is taken elsewhere.
      const endpoint = voters[turn++ % Math.max(1, voters.length)];
      if (endpoint === undefined) throw new Error('no voter of the cluster answers');
      const newest = await takeSnapshot(client, endpoint, state, closed.signal);
      seen = { ...seen, newest, failed: undefined };
      log.info('took a snapshot', { file: newest.file });
      return newest;
    } catch (error) {
      const failed = error instanceof Error ? error.message : String(error);
      if (!closed.signal.aborted) log.warning('no snapshot could be taken', { reason: failed });
      seen = { ...seen, failed };
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
      take().catch(() => {
        dueMs = nowMs + RETRY_MS;
      });
    },
  };
}
