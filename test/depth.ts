/**
 * What only `npm run test:all` runs: more of a kind that `npm test` has too. The runner finds the calls in the sources for
 * `npm run test:all -- --list`, so their arguments are literals.
 */

const DEEP = process.env.CLUSTEROS_DEPTH === 'all';

/** Begins the reason of a skip that is no lack of this machine. */
export const LEFT_TO_ALL = 'npm run test:all';

/**
 * The `skip` of a test that is depth.
 *
 * @param what it adds, for the list
 * @param minutes that it takes, on two processors without KVM
 */
export function depth(what: string, minutes: number): string | false {
  return DEEP ? false : `${LEFT_TO_ALL} has it: ${what}, ${minutes} min`;
}

/**
 * How many of what `npm test` does a few times.
 *
 * @param _what and
 * @param _minutes are for the list
 */
export function howMany(few: number, all: number, _what: string, _minutes: number): number {
  return DEEP ? all : few;
}
