import type { Durable } from './durable.ts';
import type { Sight } from './genesis.ts';

/**
 * Two majorities of E machines have one in common only while there are no more than E: of six machines that expect
 * three, two pairs could confirm one cluster each. So whoever ever heard of more than E, itself counted, neither
 * proposes, nor promises, nor votes, and one such answer stops a proposal; a cluster that stands is joined as ever. It
 * is kept on the disk: after a cut the parts are small enough again. docs/architecture.md tells what that excludes, and
 * what nothing can. Pure.
 *
 * @returns how many machines are known, when those are too many
 */
export function crowdOf(
  { crowd = 0 }: Pick<Durable, 'crowd'>,
  { known, expect, bootstrap }: Pick<Sight, 'known' | 'expect' | 'bootstrap'>,
): number | undefined {
  if (expect === undefined || bootstrap) return undefined;
  const most = Math.max(crowd, known.length + 1);
  return most > expect ? most : undefined;
}
