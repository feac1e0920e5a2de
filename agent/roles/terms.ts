import type { LeaseTiming } from './lease.ts';

/** How a holder beats, and how much longer than usual its programs may take. */
export interface Pace {
  readonly timing: LeaseTiming;
  readonly slack: number;
}

/** The lease that a holder abides by, the one that it is to come to, and the one that its key says; see `lease.ts`. */
interface Terms {
  readonly timing: LeaseTiming;
  readonly slack: number;
  /** What the next beat says, in ms. */
  readonly toldMs: number;
  /** Come to another pace. */
  adapt(pace: Pace): void;
  /** A tenure begins: what was wanted holds, since nobody was promised anything. */
  begin(): void;
  /** Before a beat: a longer lease is told first, a shorter one once every end that was promised is over. */
  tell(nowMs: number): void;
  /** A beat that told this was answered. @returns whether a longer lease holds from now on */
  lengthen(toldMs: number): boolean;
  /**
   * After a beat: abide by a shorter lease from now on, unless this beat would be too old for it.
   *
   * @returns to be called when everybody here abides by it; undefined when nothing changed
   */
  shorten(provenMs: number, nowMs: number): (() => void) | undefined;
}

export function createTerms(first: Pace): Terms {
  let { timing, slack } = first;
  let wanted = timing;
  let toldMs = timing.leaseMs;
  let promisedMs = Number.NEGATIVE_INFINITY;
  return {
    get timing() {
      return timing;
    },
    get slack() {
      return slack;
    },
    get toldMs() {
      return toldMs;
    },
    adapt(pace) {
      wanted = pace.timing;
      slack = pace.slack;
    },
    begin() {
      timing = wanted;
      toldMs = timing.leaseMs;
      promisedMs = Number.NEGATIVE_INFINITY;
    },
    tell(nowMs) {
      const mayShorten = timing.leaseMs <= wanted.leaseMs && nowMs >= promisedMs;
      if (wanted.leaseMs > toldMs || mayShorten) toldMs = wanted.leaseMs;
    },
    lengthen(told) {
      if (told < wanted.leaseMs || wanted.leaseMs <= timing.leaseMs) return false;
      timing = wanted;
      return true;
    },
    shorten(provenMs, nowMs) {
      if (wanted.leaseMs >= timing.leaseMs || nowMs - provenMs >= wanted.beatMs) return undefined;
      const endMs = provenMs + timing.goneAfterMs;
      promisedMs = Number.POSITIVE_INFINITY;
      timing = wanted;
      return () => {
        promisedMs = endMs;
      };
    },
  };
}
