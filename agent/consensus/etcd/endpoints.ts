/** What is remembered of an endpoint that failed: monotonic ms of the failure. */
export type Failures = ReadonlyMap<string, number>;

/** An endpoint that failed is asked last for this long. */
export const DEMOTED_MS = 30_000;

/**
 * In which order to ask: as given, those that failed lately last, the longest ago first. Pure.
 *
 * @param nowMs monotonic
 */
export function rank(endpoints: readonly string[], failures: Failures, nowMs: number): string[] {
  const failedAt = (endpoint: string) => {
    const at = failures.get(endpoint);
    return at === undefined || nowMs - at >= DEMOTED_MS ? Number.NEGATIVE_INFINITY : at;
  };
  // Subtraction of infinities is NaN; the sort is stable.
  return [...new Set(endpoints)].sort((a, b) => {
    const [first, second] = [failedAt(a), failedAt(b)];
    return first === second ? 0 : first < second ? -1 : 1;
  });
}

/** How long one attempt may take: an equal share of what is left, so that a mute endpoint leaves time. Pure. */
export function shareOf(leftMs: number, attemptsLeft: number): number {
  return Math.max(1, Math.floor(leftMs / Math.max(1, Math.min(attemptsLeft, 3))));
}
