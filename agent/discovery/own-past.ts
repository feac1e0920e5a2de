/** How the card on this disk compares with what other nodes know of this one, when a run of the agent begins. */
export type PastState =
  /** Nobody has answered yet. */
  | 'awaited'
  /** Nobody answers, and the disk was in another machine when it was last used: it may be a copy. */
  | 'moved'
  | 'current'
  /** Others have a newer card of this node than its disk: a restored backup, or a disk that was cloned. */
  | 'behind';

export interface PastFacts {
  /** Sequence of our card as this run found it; undefined when there was none. */
  readonly disk: number | undefined;
  /** The highest sequence of our own cards that others have shown; 0 when none. */
  readonly seen: number;
  /** A node took us for who we are and told all that it knows. */
  readonly answered: boolean;
  /** How many other nodes' cards we have; undefined until they were read from the disk. */
  readonly known: number | undefined;
  /** Since others could be asked. */
  readonly waitedMs: number;
  readonly graceMs: number;
  /** Machine or disk are not those of the last run. */
  readonly moved: boolean;
}

export interface OwnPast {
  state(): PastState;
  /** Until it is decided: decide. */
  look(facts: PastFacts): PastState;
  /** There is nothing to compare (etcd runs already, or has no data), or an operator decided. */
  settle(): void;
}

/**
 * A newer card cannot be forged: it has our signature. Where nobody is known or answers, the disk is believed in the
 * machine in which it was. Pure.
 */
export function pastOf({ disk, seen, answered, known, waitedMs, graceMs, moved }: PastFacts): PastState {
  if (disk !== undefined && seen > disk) return 'behind';
  if (answered) return 'current';
  if (known !== 0 && waitedMs < graceMs) return 'awaited';
  return moved ? 'moved' : 'current';
}

export function createOwnPast(): OwnPast {
  let state: PastState = 'awaited';
  return {
    state: () => state,
    look(facts) {
      if (state === 'awaited' || state === 'moved') state = pastOf(facts);
      return state;
    },
    settle() {
      state = 'current';
    },
  };
}
