/**
 * The lease of a role, as arithmetic on each machine's own clock since boot.
 *
 * The holder renews by *writing* its key `roles/<role>` (a beat), compared with the key's create revision. A
 * candidate may remove the key once it has seen no beat for a whole lease, comparing the last mod revision that
 * it saw; and only a key that does not exist can be taken. So a key that is absent has no holder:
 *
 *   holder:     |send beat ------------- stop begins ---- all gone |  (counted from BEFORE the beat was sent)
 *   etcd:          |beat is committed
 *   candidate:        |beat is seen --------------------------------------- lease over, may remove |
 *
 * Nothing depends on clocks that agree, only on clocks of about one speed: the space between "all gone" and
 * "lease over" is a tenth of the lease.
 *
 * etcd's own leases are not used, on purpose. They are kept by the leader alone: a deposed leader may still
 * answer a keep-alive, and may still have leases revoked that the new leader has renewed
 * (https://github.com/etcd-io/etcd/issues/15247, mitigated but not closed in 3.4.29 and 3.5.11; Debian 12 has
 * 3.4.23). A key that vanishes with such a lease does not mean that its holder has stopped. A beat is a Raft
 * entry like any other: whoever commits it leads.
 *
 * **A lease may change while it runs** (the machines became slower, or faster). A candidate goes by what the key last
 * said, so a holder that wants a longer one writes it first, and abides by it once that beat was answered; one that
 * wants a shorter one abides by it at once, and writes it when every end that it promised before is over. Each beat
 * compares the mod revision of the one before, so that a beat that arrives late can never bring an older lease back.
 *
 * A virtual machine that is paused with its clocks (QMP `stop`) cannot know that time has passed. Its first
 * beat afterwards fails and ends the tenure; until then it is fenced: what it writes to etcd compares the
 * create revision (`fencedTxn`), and its service address has gone to the new holder in everybody's AllowedIPs.
 */

export interface LeaseTiming {
  /** Silence after which others may take over. */
  readonly leaseMs: number;
  /** From one beat to the next. */
  readonly beatMs: number;
  /** After a failed beat. */
  readonly retryMs: number;
  /** A call that takes longer counts for nothing. */
  readonly callMs: number;
  /** This long after the last counted beat the holder begins to stop: SIGTERM. */
  readonly stopAfterMs: number;
  /** By then everything of the holder is gone: SIGKILL, the address removed. */
  readonly goneAfterMs: number;
}

/** @param seconds what the timers and the setting `roles.lease` come to */
export function timingOf(seconds: number): LeaseTiming {
  const leaseMs = seconds * 1000;
  return {
    leaseMs,
    beatMs: leaseMs / 5,
    retryMs: leaseMs / 20,
    callMs: leaseMs / 5,
    stopAfterMs: leaseMs * 0.7,
    goneAfterMs: leaseMs * 0.9,
  };
}

/** The upper end of the setting `roles.lease`: for a key that does not say its lease. */
const LONGEST_LEASE_MS = 60_000;

/** `held`: may act; `stop`: must be stopping; `gone`: must have stopped. Pure. */
export type Phase = 'held' | 'stop' | 'gone';

/** @param provenMs when the last beat that was answered had been sent */
export function phaseOf(provenMs: number, nowMs: number, timing: LeaseTiming): Phase {
  const age = nowMs - provenMs;
  // A clock that went back would be no clock since boot: trust nothing.
  if (age < 0 || age >= timing.goneAfterMs) return 'gone';
  return age >= timing.stopAfterMs ? 'stop' : 'held';
}

/** What a candidate knows of a role's key. */
export interface Sighting {
  /** The key as last seen; undefined when it is absent. */
  readonly key: SeenKey | undefined;
  /** When the key was first seen as it is: a beat is seen after it was sent, never before. */
  readonly sinceMs: number;
}

export interface SeenKey {
  readonly id: string;
  readonly attempt: string | undefined;
  readonly createRevision: string;
  readonly modRevision: string;
  /** By which its holder abides; another node's setting may differ from ours. */
  readonly leaseMs: number | undefined;
}

/** Take note of the key as it is. A key that has not changed keeps its time. Pure. */
export function sighted(before: Sighting | undefined, key: SeenKey | undefined, nowMs: number): Sighting {
  const same = before !== undefined && before.key?.modRevision === key?.modRevision;
  return same ? before : { key, sinceMs: nowMs };
}

/** Since when, or from when on, nobody can be holding the role. Pure. */
export function freeFromMs({ key, sinceMs }: Sighting, { leaseMs }: LeaseTiming): number {
  return key === undefined ? sinceMs : sinceMs + Math.max(leaseMs, key.leaseMs ?? LONGEST_LEASE_MS);
}
