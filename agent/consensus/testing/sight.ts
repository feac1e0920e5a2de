import type { Sight } from '../genesis.ts';

/** What a node saw that started long ago, expects three and neither bootstraps nor joins: alone, but for what is given. */
export function sightOf(self: string, more: Partial<Sight> = {}): Sight {
  return {
    ...{ self, nowMs: 100_000, startedMs: 0, expect: 3, bootstrap: false, joins: false },
    ...{ present: [], known: [], lastSeenMs: new Map(), sightings: [] },
    ...more,
  };
}
