import type * as z from 'zod';
import { AgentError } from './errors.ts';
import { files } from './host.ts';

/**
 * A JSON file of the agent's own, for what can be learned or said again.
 *
 * @param limit of its bytes
 * @returns undefined when it is missing, unreadable or damaged
 */
export async function readRecord<S extends z.ZodType>(
  file: string,
  limit: number,
  schema: S,
): Promise<z.output<S> | undefined> {
  try {
    const found = await files.readLimited(file, limit);
    return found && schema.safeParse(JSON.parse(found.bytes.toString('utf8'))).data;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof AgentError)) throw error;
    return undefined;
  }
}
