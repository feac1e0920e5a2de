import * as path from 'node:path';
import * as z from 'zod';
import type { Genesis } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';
import { conditionOf, type FoundCondition } from '../status.ts';
import { birthSchema, expectSchema, nodeIdSchema, uuidSchema } from './birth.ts';
import type { EtcdMember } from './etcd/types.ts';

/** A node promises one founder per round, and keeps it over crashes: see genesis.ts. */
export interface FoundingPromise {
  /** From 1. */
  readonly round: number;
  readonly founder: string;
  readonly uuid: string;
  readonly expect: number;
}

/** What a node must not forget about the cluster's birth and its own part in it. */
export interface Durable {
  readonly promise?: FoundingPromise | undefined;
  readonly genesis?: Genesis | undefined;
  /** The most machines that were known when those were more than expected, before a cluster stood: see crowd.ts. */
  readonly crowd?: number | undefined;
  /** The genesis stands: it is never left again. */
  readonly confirmed?: boolean | undefined;
  /** etcd has run here for this genesis: it is never started as `new` again. */
  readonly started?: boolean | undefined;
  /** What lies in etcd's folder is of another cluster or membership: it is set aside before anything else. */
  readonly staleData?: boolean | undefined;
  /** etcd's data is older than what this node told others: it is not started with until an operator says so. */
  readonly behind?: boolean | undefined;
  /** An operator made this node leave: it takes part again when told. */
  readonly left?: boolean | undefined;
  /** Clusters recovered from ours that were seen while ours had a quorum: they are followed by an order only. */
  readonly notFollowed?: readonly string[] | undefined;
  /** An operator's order: the node whose recovered cluster this one goes over to. */
  readonly follow?: string | undefined;
  /** Node ids of the voters, as a majority of them last said. */
  readonly voters?: readonly string[] | undefined;
  /** etcd's cluster id, as first seen for this genesis. */
  readonly clusterId?: string | undefined;
}

/** The latest are kept. */
export const MOST_DECLINED = 64;

export const promiseSchema = z.object({
  round: z.int().min(1).max(1_000_000_000),
  founder: nodeIdSchema,
  uuid: uuidSchema,
  expect: expectSchema,
});

const fileSchema = z.object({
  version: z.literal(1),
  promise: promiseSchema.optional(),
  genesis: birthSchema.optional(),
  crowd: z.int().min(1).optional(),
  confirmed: z.boolean().optional(),
  started: z.boolean().optional(),
  staleData: z.boolean().optional(),
  behind: z.boolean().optional(),
  left: z.boolean().optional(),
  notFollowed: z.array(uuidSchema).max(MOST_DECLINED).optional(),
  follow: nodeIdSchema.optional(),
  voters: z.array(nodeIdSchema).max(100).optional(),
  clusterId: z
    .string()
    .regex(/^\d{1,20}$/)
    .optional(),
});

const LIMIT = 64 * 1024;

function durableFile(state: string): string {
  return path.join(state, 'consensus.json');
}

/**
 * What stands on the disk; empty for a new node.
 *
 * @throws AgentError `consensus.state` when the file is damaged: guessing could make a second cluster
 */
export async function loadDurable(state: string): Promise<Durable> {
  const file = durableFile(state);
  const found = await files.readLimited(file, LIMIT);
  if (found === undefined) return {};
  try {
    const { version: _, ...durable } = fileSchema.parse(JSON.parse(found.bytes.toString('utf8')));
    return durable;
  } catch (cause) {
    throw new AgentError({
      code: 'consensus.state',
      exit: 'refused',
      message: `${file} is damaged`,
      fix: `restore ${file}; or, to make this node join anew: node-agent reset --yes`,
      cause,
    });
  }
}

export async function saveDurable(state: string, durable: Durable): Promise<void> {
  await files.writeDurable(durableFile(state), `${JSON.stringify({ version: 1, ...durable })}\n`, 0o600);
}

/** The durable state in memory, changed by one at a time, on the disk before anybody sees it. */
export interface Keeper {
  now(): Durable;
  /** @param decide what to hold from now on; undefined: leave it */
  change(decide: (durable: Durable) => Durable | undefined): Promise<Durable>;
}

export function createKeeper(first: Durable, save: (durable: Durable) => Promise<void>): Keeper {
  let current = first;
  let last: Promise<unknown> = Promise.resolve();
  return {
    now: () => current,
    change(decide) {
      const turn = last.then(async () => {
        const next = decide(current);
        if (next === undefined) return current;
        await save(next);
        current = next;
        return current;
      });
      // A failed save is the caller's; the next change begins from what the disk holds.
      last = turn.catch(() => {});
      return turn;
    },
  };
}

/**
 * On the disk: who counts as a majority when none answers. A full disk does not end the pass: the cluster goes on.
 *
 * @returns why they are not remembered
 */
export async function rememberVoters(
  { now, change }: Keeper,
  members: readonly EtcdMember[] = [],
): Promise<readonly FoundCondition[]> {
  const voters = members.flatMap(({ learner, name }) => (learner || name === '' ? [] : [name])).sort();
  if (voters.length === 0 || voters.join() === now().voters?.join()) return [];
  const uuid = now().genesis?.uuid;
  try {
    await change((durable) => (durable.genesis?.uuid === uuid ? { ...durable, voters } : undefined));
    return [];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [conditionOf(error)];
  }
}
