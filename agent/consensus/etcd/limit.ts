/** How long one call may take, in ms; asked before each call when the machines' pace decides. */
export type Limit = number | (() => number);

const USUAL_MS = 5_000;
const CONNECT_MS = 1_500;

export function limitOf(limit: Limit = USUAL_MS): () => number {
  return typeof limit === 'number' ? () => limit : limit;
}

/** A part of a call: a machine that is gone is left for another while there is time. Pure. */
export function connectLimit(callMs: number): number {
  return callMs > USUAL_MS ? callMs / 3 : Math.min(CONNECT_MS, callMs / 3);
}
