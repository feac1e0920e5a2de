import type { Log } from '../log.ts';
import { wallTimes } from '../wall-time.ts';

/** A peer that did not get in, or that we did not believe. For status; it does not keep the node from ready. */
export interface Refusal {
  readonly address: string;
  /** Stable: `other-key`, `replayed`, `altered`, `malformed`, `oversized`, `evicted`, `duplicate`. */
  readonly code: string;
  readonly reason: string;
  readonly times: number;
  /** ISO 8601, by the clock as it is set when the list is asked for. */
  readonly first: string;
  readonly last: string;
}

interface Kept extends Omit<Refusal, 'first' | 'last'> {
  /** Monotonic, as all times here. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly loggedMs: number;
}

export interface Refusals {
  /** Take note, and log `failed authentication: <reason>` at most once per peer, code and minute. */
  record(address: string, code: string, reason: string): void;
  /** The latest first. */
  list(): readonly Refusal[];
}

interface RefusalDeps {
  readonly log: Log;
  /** Monotonic ms. */
  readonly now: () => number;
  readonly wallClock: () => Date;
}

const MOST_PEERS = 256;
const MINUTE_MS = 60_000;
/** Sender addresses can be forged: without this the log could be filled from the LAN. */
const LINES_A_MINUTE = 60;

/** Remembers who was refused: at most 256 pairs of peer and code, the latest. */
export function createRefusals({ log, now, wallClock }: RefusalDeps): Refusals {
  const known = new Map<string, Kept>();
  let minuteMs = Number.NEGATIVE_INFINITY;
  let lines = 0;
  const mayLog = (): boolean => {
    if (now() - minuteMs >= MINUTE_MS) {
      minuteMs = now();
      lines = 0;
    }
    lines += 1;
    if (lines === LINES_A_MINUTE)
      log.warning('many peers are refused; the rest of this minute is not logged');
    return lines < LINES_A_MINUTE;
  };
  return {
    record(address, code, reason) {
      const key = `${address} ${code}`;
      const before = known.get(key);
      const due = before === undefined || now() - before.loggedMs >= MINUTE_MS;
      const logged = due && mayLog();
      if (logged) log.warning(`failed authentication: ${reason}`, { peer: address });
      // Deleted and set again, so that the order of the map is that of the last refusals.
      known.delete(key);
      known.set(key, {
        address,
        code,
        reason,
        times: (before?.times ?? 0) + 1,
        firstMs: before?.firstMs ?? now(),
        lastMs: now(),
        loggedMs: logged ? now() : (before?.loggedMs ?? Number.NEGATIVE_INFINITY),
      });
      const [oldest] = known.keys();
      if (known.size > MOST_PEERS && oldest !== undefined) known.delete(oldest);
    },
    list: () => {
      const iso = wallTimes(now(), wallClock());
      return [...known.values()].reverse().map(({ loggedMs: _, firstMs, lastMs, ...refusal }) => ({
        ...refusal,
        first: iso(firstMs),
        last: iso(lastMs),
      }));
    },
  };
}
