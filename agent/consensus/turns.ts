/** Passes and an operator's orders, one at a time. */
export interface Turns {
  /** After all that came before. */
  exclusive<T>(work: () => Promise<T>): Promise<T>;
  /** An order may take longer than a pass may: while {@link busy} no pass is to wait for its turn. */
  order<T>(work: () => Promise<T>): Promise<T>;
  /** An order is carried out, or waits for a pass to end. */
  busy(): boolean;
}

/** @param ended called after each order */
export function createTurns(ended: () => void): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let orders = 0;
  function exclusive<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  }
  return {
    exclusive,
    busy: () => orders > 0,
    async order(work) {
      orders += 1;
      try {
        return await exclusive(work);
      } finally {
        orders -= 1;
        ended();
      }
    },
  };
}
