import * as path from 'node:path';
import * as z from 'zod';
import { files } from '../host.ts';
import { readRecord } from '../own-record.ts';

/**
 * Who voted when this node last saw a quorum, on its own disk: whoever comes to know of it while it is cut off, such as
 * an evicted machine that invents a few members, counts for nothing.
 */
export interface LastVoters {
  /** Node ids; none when no quorum was ever seen. */
  now(): Promise<readonly string[]>;
  /** @param present ids of nodes that have proven to be here */
  note(voters: readonly string[], present: ReadonlySet<string>): Promise<void>;
}

const schema = z.strictObject({ version: z.literal(1), voters: z.array(z.string().max(64)).max(100) });
const LIMIT = 16 * 1024;

export function createLastVoters(state: string, self: () => string | undefined): LastVoters {
  const file = path.join(state, 'last-voters.json');
  let held: readonly string[] | undefined;
  const now = async () => {
    held ??= await read(file);
    return held;
  };
  return {
    now,
    async note(voters, present) {
      const next = nextVoters(await now(), voters, present, self());
      if (next === undefined) return;
      await files.writeDurable(file, `${JSON.stringify({ version: 1, voters: next })}\n`, 0o600);
      held = next;
    },
  };
}

/**
 * The voters to remember from now on. Those of before must agree by being here: a machine with our replaced key can
 * play a whole cluster to a node that has just woken, but not a majority of the identities that it knew. Pure.
 *
 * @returns undefined: leave it as it is
 */
export function nextVoters(
  before: readonly string[],
  voters: readonly string[],
  present: ReadonlySet<string>,
  self: string | undefined,
): readonly string[] | undefined {
  const next = [...new Set(voters)].sort();
  if (next.length === 0 || next.join() === before.join()) return undefined;
  const here = before.filter((id) => id === self || present.has(id));
  return before.length === 0 || here.length >= majorityOf(before) ? next : undefined;
}

export function majorityOf(voters: readonly string[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/** A file that is damaged knows nobody: the key then comes by hand. */
async function read(file: string): Promise<readonly string[]> {
  return (await readRecord(file, LIMIT, schema))?.voters ?? [];
}
