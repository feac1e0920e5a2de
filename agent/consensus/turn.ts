const TURN_MS = 15_000;

/** Voters are started again one after the other, by the clock: all at once would stop the cluster. Pure. */
export function isTurn(self: string, names: readonly string[], nowMs: number): boolean {
  const sorted = [...names].sort();
  return Math.floor(nowMs / TURN_MS) % Math.max(1, sorted.length) === Math.max(0, sorted.indexOf(self));
}
