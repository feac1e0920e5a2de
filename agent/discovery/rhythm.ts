/** When the next beacon and the next mDNS question are due. */
export interface Rhythm {
  /** Monotonic ms. */
  readonly startedMs: number;
  readonly beaconMs: number;
  readonly queryMs: number;
  readonly queries: number;
}

export interface Surroundings {
  /** Members that gossip sees alive, without us. */
  readonly alive: number;
  /** We are in a cluster that others carry too: nobody has to find us at once. */
  readonly settled?: boolean;
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

const LIVELY_MS = 30_000;
const LONGEST_QUERY_MS = 30_000;

export function startRhythm(nowMs: number): Rhythm {
  return { startedMs: nowMs, beaconMs: nowMs, queryMs: nowMs, queries: 0 };
}

/**
 * What to send now, and the rhythm after it: a beacon each second for the first 30 s, or until we are in a cluster,
 * and while we are alone; then every 10 to 30 s, the slower the more members there are. Questions make all others answer: they are for
 * those who are alone, with growing pauses. Pure.
 */
export function beat(
  rhythm: Rhythm,
  { alive, settled, nowMs, random }: Surroundings,
): { readonly next: Rhythm; readonly beacon: boolean; readonly query: boolean; readonly againMs: number } {
  const lively = alive === 0 || (!settled && nowMs - rhythm.startedMs < LIVELY_MS);
  const intervalMs = lively ? 1_000 : Math.min(30_000, (10_000 + alive * 400) * (0.85 + random * 0.3));
  // Alone again: what was planned for later is too late.
  const beaconMs = lively ? Math.min(rhythm.beaconMs, nowMs + 1_000) : rhythm.beaconMs;
  const beacon = nowMs >= beaconMs;
  const queries = alive > 0 ? 0 : rhythm.queries;
  const queryMs = alive > 0 ? nowMs : rhythm.queryMs;
  const query = alive === 0 && nowMs >= queryMs;
  const pause = Math.min(LONGEST_QUERY_MS, 1_000 * 2 ** Math.min(queries, 10));
  const next = {
    startedMs: rhythm.startedMs,
    beaconMs: beacon ? nowMs + intervalMs : beaconMs,
    queryMs: query ? nowMs + pause : queryMs,
    queries: query ? queries + 1 : queries,
  };
  const due = alive === 0 ? Math.min(next.beaconMs, next.queryMs) : next.beaconMs;
  return { next, beacon, query, againMs: Math.max(50, Math.ceil(due - nowMs)) };
}
