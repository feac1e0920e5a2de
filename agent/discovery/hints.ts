/** Where somebody under a key that we do not hold says that a node listens. Nothing of it is proven. */
export interface Hint {
  /** An IP address. */
  readonly address: string;
  /** TCP port of the peer channel. */
  readonly port: number;
  /** Of the cluster key that it claims to have. */
  readonly fingerprint: string;
}

export interface Hints {
  note(hint: Hint): void;
  list(): readonly Hint[];
}

const MOST_HINTS = 16;
/** Beacons come at least every 30 s: four may be lost. */
const AGE_MS = 120_000;

/**
 * The last places heard of, for a node that waits to be let in. A flood of forged beacons takes the place of some
 * at random: it cannot keep the true ones out for good, and each costs only a call that fails.
 *
 * @param random in [0, 1)
 */
export function createHints(now: () => number, random: () => number): Hints {
  const table = new Map<string, Hint & { readonly heardMs: number }>();
  const forgetOld = () => {
    for (const [key, { heardMs }] of table) if (now() - heardMs >= AGE_MS) table.delete(key);
  };
  return {
    note(hint) {
      forgetOld();
      const key = `${hint.address} ${hint.port}`;
      if (!table.has(key) && table.size >= MOST_HINTS) {
        const out = [...table.keys()][Math.floor(random() * table.size)];
        if (out !== undefined) table.delete(out);
      }
      table.set(key, { ...hint, heardMs: now() });
    },
    list() {
      forgetOld();
      return [...table.values()].map(({ heardMs: _, ...hint }) => hint);
    },
  };
}
