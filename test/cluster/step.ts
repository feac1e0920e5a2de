import type { TestContext } from 'node:test';

/**
 * One step of a scenario, told as a test of its own. Its failure ends the scenario: the steps after it stand on it,
 * and the transcript shows how things are at this moment.
 */
export async function step(
  t: TestContext,
  sentence: string,
  work: (t: TestContext) => Promise<void>,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  await t.test(sentence, async (inner) => {
    try {
      await work(inner);
    } catch (error) {
      failure = { error };
      throw error;
    }
  });
  if (failure !== undefined) throw failure.error;
}
