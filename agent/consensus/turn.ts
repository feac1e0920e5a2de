const TURN_MS = 15_000;

/** Voters are started again one after the other, by the clock: all at once would stop the cluster. Pure. */
export function isTurn(self: string, members: readonly { readonly name: string }[], nowMs: number): boolean {
  const names = members.map(({ name }) => name).sort();
  return Math.floor(nowMs / TURN_MS) % Math.max(1, names.length) === Math.max(0, names.indexOf(self));
}
