import { base58 } from '@scure/base';
import * as z from 'zod';
import type { Genesis } from '../engine/resources.ts';
import { sign, verify } from '../identity/ed25519.ts';
import type { Identity } from '../identity/identity.ts';

const MOST_ANCESTORS = 16;
const DOMAIN = 'clusteros/genesis/v1';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NODE_ID = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;

export const nodeIdSchema = z.string().regex(NODE_ID);
export const uuidSchema = z.string().regex(UUID);
export const expectSchema = z.int().min(1).max(1000);

export const birthSchema = z.object({
  uuid: uuidSchema,
  founder: nodeIdSchema,
  expect: expectSchema.optional(),
  ancestors: z.array(uuidSchema).max(MOST_ANCESTORS).optional(),
  signature: z.string().max(120),
});

/** The genesis of a new cluster, signed by the node that founds it. */
export function signBirth(
  founder: Pick<Identity, 'id' | 'seed'>,
  birth: { uuid: string; expect?: number | undefined; ancestors?: readonly string[] | undefined },
): Genesis {
  const ancestors = birth.ancestors?.slice(0, MOST_ANCESTORS);
  const unsigned = { ...birth, ancestors, founder: founder.id };
  return {
    uuid: birth.uuid,
    founder: founder.id,
    ...(birth.expect === undefined ? {} : { expect: birth.expect }),
    ...(ancestors === undefined ? {} : { ancestors }),
    signature: sign(founder.seed, messageOf(unsigned)).toString('base64'),
  };
}

/** Did the founder sign this? False for whatever is no genesis; never throws on hostile input. */
export function isBirth(value: unknown): value is Genesis {
  const read = birthSchema.safeParse(value);
  if (!read.success) return false;
  try {
    const key = base58.decode(read.data.founder);
    return verify(key, messageOf(read.data), Buffer.from(read.data.signature, 'base64'));
  } catch {
    // Not base58 after all: nobody's signature.
    return false;
  }
}

/**
 * A UUID for a genesis of this round: the last eight digits are the round, 0 for one without agreement. A later
 * round may replace an unconfirmed genesis, see genesis.ts. The first eight, by which people know a cluster, are
 * random.
 *
 * @param random from crypto.randomUUID
 */
export function uuidOf(round: number, random: string): string {
  return `${random.slice(0, 28)}${round.toString(16).padStart(8, '0')}`;
}

export function roundOf({ uuid }: Pick<Genesis, 'uuid'>): number {
  return Number.parseInt(uuid.slice(28), 16);
}

/** How many nodes must carry a genesis before it stands. Two of any genesis with one number overlap. Pure. */
export function neededFor({ expect }: Pick<Genesis, 'expect'>): number {
  return expect === undefined ? 2 : majorityOf(expect);
}

/** @param carriers ids of the nodes that carry it, ourselves among them if we do */
export function isConfirmed(genesis: Pick<Genesis, 'expect'>, carriers: readonly string[]): boolean {
  return carriers.length >= neededFor(genesis);
}

/** Ids of the others whose newest card carries this genesis. Pure. */
export function carriersOf(
  { uuid }: Pick<Genesis, 'uuid'>,
  { sightings }: { readonly sightings: readonly { genesis: Genesis; carriers: readonly string[] }[] },
): readonly string[] {
  return sightings.find(({ genesis }) => genesis.uuid === uuid)?.carriers ?? [];
}

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

function messageOf(birth: Omit<Genesis, 'signature'>): Buffer {
  const { uuid, founder, expect, ancestors } = birth;
  return Buffer.from(JSON.stringify([DOMAIN, uuid, founder, expect ?? null, ancestors ?? []]));
}
