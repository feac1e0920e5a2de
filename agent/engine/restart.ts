/** When to try again: doubling pauses, and a fresh start after a while without failures. */
export interface RestartPolicy {
  readonly firstMs: number;
  readonly longestMs: number;
  /** After this long without a failure the next one counts as the first. */
  readonly forgiveMs: number;
}

export interface RestartState {
  readonly failures: number;
  /** Monotonic ms. */
  readonly lastFailureMs: number;
}

export const NO_FAILURES: RestartState = { failures: 0, lastFailureMs: Number.NEGATIVE_INFINITY };

export const DEFAULT_POLICY: RestartPolicy = { firstMs: 500, longestMs: 30_000, forgiveMs: 60_000 };

/** Take note of a failure. Pure. */
export function failed(state: RestartState, nowMs: number, policy = DEFAULT_POLICY): RestartState {
  const forgiven = nowMs - state.lastFailureMs > policy.forgiveMs + pauseOf(state, policy);
  return { failures: forgiven ? 1 : state.failures + 1, lastFailureMs: nowMs };
}

/** The pause in ms after the failures so far: 0, first, 2 x first, ... longest. Pure. */
export function pauseOf(state: RestartState, policy = DEFAULT_POLICY): number {
  if (state.failures === 0) return 0;
  return Math.min(policy.longestMs, policy.firstMs * 2 ** Math.min(state.failures - 1, 30));
}

/** May it be tried now? Pure. */
export function mayTry(state: RestartState, nowMs: number, policy = DEFAULT_POLICY): boolean {
  return nowMs - state.lastFailureMs >= pauseOf(state, policy);
}
