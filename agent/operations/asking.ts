/** Whom a node that is not let in asks, and when again: for enrolment, and for a key that was replaced. */

export interface Target {
  /** An IP address. */
  readonly address: string;
  /** TCP port of the peer channel. */
  readonly port: number;
}

/** What came of asking one `address port` so far. */
export interface Asked {
  readonly failures: number;
  /** Monotonic ms before which it is left alone. */
  readonly nextMs: number;
  /** Why it did not help. */
  readonly reason: string;
}

export const MOST_ASKED = 16;
const AT_ONCE = 4;
const FIRST_MS = 2_000;
const LONGEST_MS = 60_000;
const LOOK_MS = 1_000;

export function targetKey({ address, port }: Target): string {
  return `${address} ${port}`;
}

/** The first 16 different places, best first. Pure. */
export function candidatesOf(...lists: readonly (readonly Target[])[]): Target[] {
  const found = new Map<string, Target>();
  for (const { address, port } of lists.flat()) {
    const target = { address, port };
    if (found.size < MOST_ASKED && !found.has(targetKey(target))) found.set(targetKey(target), target);
  }
  return [...found.values()];
}

/** Those to ask now, at most four, and when to look again. Pure. */
export function planAsking(
  candidates: readonly Target[],
  asked: ReadonlyMap<string, Asked>,
  nowMs: number,
): { readonly targets: readonly Target[]; readonly againMs: number } {
  const due = candidates.filter((target) => (asked.get(targetKey(target))?.nextMs ?? nowMs) <= nowMs);
  // Those that were never asked first.
  const order = (target: Target) => asked.get(targetKey(target))?.failures ?? 0;
  const targets = due.sort((a, b) => order(a) - order(b)).slice(0, AT_ONCE);
  return { targets, againMs: LOOK_MS };
}

/** Pauses from two seconds to a minute. Pure; `random` is in [0, 1). */
export function afterAsking(before: Asked | undefined, reason: string, nowMs: number, random: number): Asked {
  const failures = (before?.failures ?? 0) + 1;
  const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return { failures, nextMs: nowMs + pause * (0.75 + random / 2), reason };
}

/** Forget those that are no candidates any more, so that the record stays small. Pure. */
export function keepAsked(
  asked: ReadonlyMap<string, Asked>,
  candidates: readonly Target[],
): Map<string, Asked> {
  const wanted = new Set(candidates.map(targetKey));
  return new Map([...asked].filter(([key]) => wanted.has(key)));
}

/** Who was asked and why it did not help, a line each. Pure. */
export function describeAsked(asked: ReadonlyMap<string, Asked>): string | undefined {
  const lines = [...asked].map(([key, { reason }]) => `${key.replace(' ', ' port ')}: ${reason}`);
  return lines.length === 0 ? undefined : lines.slice(0, 8).join('\n');
}
