/** Whole numbers from 0 to below `below`, the same sequence on each run for the same seed: a failure names its round. */
export function randomFrom(seed: number): (below: number) => number {
  const next = fractionsFrom(seed);
  return (below) => Math.floor(next() * below);
}

/** Numbers in [0, 1), the same sequence on each run for the same seed. */
export function fractionsFrom(seed: number): () => number {
  let state = seed;
  return () => {
    // Numerical Recipes, 2nd edition, section 7.1: a quick generator of 32 bits.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
