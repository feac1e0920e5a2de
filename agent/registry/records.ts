import * as z from 'zod';
import { labelChangesSchema, labelsSchema } from '../config/labels.ts';
import { LABEL, STEP_NAMES } from '../config/settings.ts';

/**
 * The values below `/clusteros/v1/`, as other nodes wrote them: any holder of the cluster key can write there, so
 * that each is checked in shape and size. Whether a card is true is for the cards controller to say.
 */

/** Bytes of a value that are looked at. */
export const VALUE_LIMIT = 8 * 1024;

const base64 = (limit: number) =>
  z
    .string()
    .max(limit)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/);

/** base58 of 32 bytes. */
export const nodeId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/);
export const ipv4 = z.ipv4();
export const nodeName = z.string().regex(LABEL);
export const roleName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/);
export const tokenId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const signedCard = z.object({ body: base64(6_000), signature: base64(128), mac: base64(64) });

const moment = z
  .string()
  .max(40)
  .refine((text) => Number.isFinite(Date.parse(text)), 'expected a time in ISO 8601');

export const nodeRecord = z.object({
  signed: signedCard,
  registeredAt: moment,
  labels: labelsSchema.optional().catch(undefined),
});

export const holderRecord = z.object({
  id: nodeId,
  since: moment,
  address: ipv4.optional(),
  /** Random for each attempt to take the role, so that an attempt without an answer is known again. */
  attempt: z.string().max(64).optional(),
  /** Seconds of silence after which another may take over. */
  lease: z.number().min(1).max(60).optional(),
  /** Counts the signs of life. */
  beat: z.int().min(0).optional(),
});

export const WORDS_LIMIT = 200;
const words = z.string().max(WORDS_LIMIT);

/** Printed on an operator's terminal: no control characters, no escape sequences. */
const shownWords = words.transform((text) => text.replace(/[^\x20-\x7e]/g, '?'));

export const moveRecord = z.object({
  to: nodeId,
  answer: z.union([z.literal('ready'), z.object({ reason: shownWords, endedBy: shownWords })]).optional(),
});

export const timersReport = z.object({
  need: z.enum(STEP_NAMES),
  runs: z.enum(STEP_NAMES).optional(),
  fixed: z.boolean().optional(),
  why: words.optional(),
});

export const timersAgreement = z.object({
  step: z.enum(STEP_NAMES),
  why: words,
  calmSeconds: z.int().min(1).max(86_400),
  direction: z.enum(['faster', 'slower']).optional(),
});

/** Older ones have no name. */
export const evictedRecord = z.object({ name: nodeName.optional() });

export const labelsRecord = z.object({ changes: labelChangesSchema });

export const tokenRecord = z.object({
  key: base64(128),
  /** By the clock of the node that made it: for people. */
  expires: moment,
  ttlSeconds: z.int().min(1).max(100_000_000).optional(),
  usesLeft: z.int().min(0).max(1_000_000),
  note: z.string().max(200).optional(),
});

/** The JSON of a value by its schema, or undefined. Never throws. */
export function parseValue<T>(schema: z.ZodType<T>, value: string): T | undefined {
  if (Buffer.byteLength(value) > VALUE_LIMIT) return undefined;
  try {
    const { success, data } = schema.safeParse(JSON.parse(value));
    return success ? data : undefined;
  } catch {
    return undefined;
  }
}
