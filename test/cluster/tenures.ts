/** What the journals of the fencing test say: who held the role when. Pure. */

/** A time in which a machine was seen with the role at every look. */
export interface Tenure {
  readonly machine: string;
  /** ms, CLOCK_MONOTONIC. */
  readonly fromMs: number;
  /** Of the last look that saw it. */
  readonly toMs: number;
}

export interface HandOver {
  readonly from: string;
  readonly to: string;
  /** From the last look that saw the one to the first that saw the other. */
  readonly apartMs: number;
}

/** Looks further apart than this say nothing of the time between. */
const BLIND_MS = 500;

/**
 * @param signs which of `a` (address), `l` (listens), `p` (answers) make a holder
 * @param journal lines `NS GAP STATE`
 */
export function tenuresIn(machine: string, journal: string, signs: string): Tenure[] {
  const tenures: Tenure[] = [];
  let current: { fromMs: number; toMs: number } | undefined;
  const end = () => {
    if (current !== undefined) tenures.push({ machine, ...current });
    current = undefined;
  };
  for (const line of journal.split('\n')) {
    const [at, , state] = line.split(' ');
    if (at === undefined || state === undefined) continue;
    const ms = Number(BigInt(at) / 1000n) / 1000;
    const holds = [...signs].some((sign) => state.includes(sign));
    // An answer says nothing against the other signs.
    if (!holds && state === 'p') continue;
    if (current !== undefined && ms - current.toMs > BLIND_MS) end();
    if (!holds) end();
    else if (current === undefined) current = { fromMs: ms, toMs: ms };
    else current.toMs = Math.max(current.toMs, ms);
  }
  end();
  return tenures;
}

/** Each pair of machines that held the role at one instant. */
export function overlapsIn(tenures: readonly Tenure[]): string[] {
  const ordered = tenures.toSorted((a, b) => a.fromMs - b.fromMs);
  return ordered.flatMap((first, index) =>
    ordered
      .slice(index + 1)
      .filter(({ machine, fromMs }) => machine !== first.machine && fromMs <= first.toMs)
      .map((second) => {
        const ms = Math.min(first.toMs, second.toMs) - second.fromMs;
        return `${first.machine} and ${second.machine} for ${ms.toFixed(0)} ms at ${second.fromMs.toFixed(0)}`;
      }),
  );
}

export function handOversIn(tenures: readonly Tenure[]): HandOver[] {
  const ordered = tenures.toSorted((a, b) => a.fromMs - b.fromMs);
  return ordered.slice(1).flatMap((next, index) => {
    const last = ordered[index] as Tenure;
    if (last.machine === next.machine) return [];
    return [{ from: last.machine, to: next.machine, apartMs: next.fromMs - last.toMs }];
  });
}

/** The longest time between two looks. */
export function largestGapMs(journal: string): number {
  const gaps = journal.split('\n').map((line) => Number(line.split(' ')[1] ?? 0) / 1e6);
  return gaps.reduce((longest, gap) => Math.max(longest, gap), 0);
}
