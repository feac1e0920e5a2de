/**
 * Run two pieces of work at once; when one fails the other is stopped and waited for.
 *
 * @throws what the first to fail threw
 */
export async function bothOrNeither<A, B>(
  signal: AbortSignal,
  one: (signal: AbortSignal) => Promise<A>,
  other: (signal: AbortSignal) => Promise<B>,
): Promise<[A, B]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let first: { error: unknown } | undefined;
  const guard = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      first ??= { error };
      failed.abort();
      return undefined;
    }
  };
  const results = await Promise.all([guard(one(either)), guard(other(either))]);
  if (first !== undefined) throw first.error;
  return results as [A, B];
}
