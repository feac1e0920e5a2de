import { AgentError } from '../../errors.ts';
import { parseEvent, parseJoined, parseLog, parseMembers, parseStats, type SerfMember } from './bodies.ts';
import { type Connection, connect, type Endpoint, type Subscription } from './connection.ts';

/** Serf's commands, typed. Every call has a deadline and throws what {@link Connection.call} throws. */
export interface SerfClient {
  members(): Promise<SerfMember[]>;
  /**
   * Join by any of the addresses, `IP:port`. Serf tries them one by one, 10 s each at most.
   *
   * @returns how many it reached; fails only when that is none
   */
  join(addresses: readonly string[]): Promise<number>;
  /** A failed member becomes `left`; with `prune` it is forgotten at once. */
  forceLeave(id: string, options: { readonly prune: boolean }): Promise<void>;
  /** Tags to set and to take away; the others stay. At most 512 bytes in all. */
  tags(set: Readonly<Record<string, string>>, remove?: readonly string[]): Promise<void>;
  stats(): Promise<Record<string, Record<string, string>>>;
  /** Tell the others, then end the process. */
  leave(): Promise<void>;
  /** News of members: `member-join`, `member-leave`, `member-failed`, `member-update`, `member-reap`. */
  onMemberEvent(call: (event: string, members: readonly SerfMember[]) => void): Promise<Subscription>;
  /** Serf's log from now on, after the last 512 lines. */
  onLog(level: 'ERR' | 'WARN' | 'INFO', call: (line: string) => void): Promise<Subscription>;
  readonly ended: AbortSignal;
  close(): void;
}

export const CALL_MS = 5_000;
/** Serf waits 10 s for an address that does not answer; three are tried in one call at most. */
const JOIN_MS = 35_000;
const LEAVE_MS = 20_000;

/** @throws AgentError see {@link connect} */
export async function connectSerf(endpoint: Endpoint, timeoutMs = CALL_MS): Promise<SerfClient> {
  return clientOf(await connect(endpoint, timeoutMs));
}

export function clientOf(connection: Connection): SerfClient {
  const tell = async (command: string, body: object | undefined, timeoutMs = CALL_MS) => {
    await connection.call(command, body, false, timeoutMs);
  };
  return {
    members: async () =>
      known('members', parseMembers(await connection.call('members', undefined, true, CALL_MS))),
    join: async (existing) =>
      known(
        'join',
        parseJoined(await connection.call('join', { Existing: [...existing], Replay: false }, true, JOIN_MS)),
      ),
    forceLeave: (id, { prune }) => tell('force-leave', { Node: id, Prune: prune }, LEAVE_MS),
    tags: (set, remove = []) => tell('tags', { Tags: set, DeleteTags: [...remove] }),
    stats: async () => known('stats', parseStats(await connection.call('stats', undefined, true, CALL_MS))),
    leave: () => tell('leave', undefined, LEAVE_MS),
    onMemberEvent: (call) =>
      connection.subscribe(
        'stream',
        { Type: MEMBER_EVENTS },
        (record) => {
          const [event, members] = [parseEvent(record), parseMembers(record)];
          if (event !== undefined && members !== undefined) call(event, members);
        },
        CALL_MS,
      ),
    onLog: (level, call) =>
      connection.subscribe(
        'monitor',
        { LogLevel: level },
        (record) => {
          const line = parseLog(record);
          if (line !== undefined) call(line);
        },
        CALL_MS,
      ),
    ended: connection.ended,
    close: connection.close,
  };
}

const MEMBER_EVENTS = 'member-join,member-leave,member-failed,member-update,member-reap';

function known<T>(command: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new AgentError({
    code: 'gossip.rpc-answer',
    exit: 'internal',
    message: `Serf's answer to ${command} cannot be understood`,
  });
}
