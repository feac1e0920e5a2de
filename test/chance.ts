/** Chance that can be had again: the runner prints the seed of a run, and `CLUSTEROS_SEED` sets it. */
import { randomInt } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type Random, randomFrom } from '../agent/testing/random.ts';

const SEED = Number(process.env.CLUSTEROS_SEED ?? randomInt(2 ** 31));

/** The seed of this run, which is told with the test. */
export function chanceSeed(t: Pick<TestContext, 'diagnostic'>): number {
  t.diagnostic(`CLUSTEROS_SEED=${SEED}`);
  return SEED;
}

/** Chance of a test's own, from the seed of this run. */
export function chance(t: Pick<TestContext, 'diagnostic'>): Random {
  return randomFrom(chanceSeed(t));
}
