import * as z from 'zod';
import type { SignedCard } from '../../engine/resources.ts';
import { sign, verify } from '../../identity/ed25519.ts';
import type { Identity } from '../../identity/identity.ts';
import { publicKeyIn } from '../card.ts';
import type { Standing } from '../clones.ts';

/** What one side says of itself in each request and answer. */
export interface Introduction {
  readonly id: string;
  /** Checked apart; absent when the sender enrols with a token and has no cluster key yet. */
  readonly card?: unknown;
  /** base64 of an Ed25519 signature over {@link proofMessage}. */
  readonly proof: string;
  readonly standing: Standing;
}

export interface Request extends Introduction {
  readonly kind: string;
  readonly body: unknown;
}

export interface Refused {
  /** Stable; see `refusals.ts`, and `not-ready`, `self`, `unknown-kind`, `failed`. */
  readonly code: string;
  readonly reason: string;
  /** For `duplicate`: where the identity is in use. */
  readonly address?: string | undefined;
  /** Node id of who has signed it, on this connection; absent for what nobody has signed. */
  readonly by?: string | undefined;
}

/** Refusals that may stop a node: they count only with the signature of a member. */
export const STOPPING: ReadonlySet<string> = new Set(['duplicate', 'evicted']);

export interface Answer extends Introduction {
  readonly answer: unknown;
}

type Role = 'client' | 'server';

export const BODY_BYTES = 64 * 1024;

const standing = {
  instance: z.string().regex(/^[0-9a-f]{16}$/),
  memberMs: z.int().min(0),
  duplicate: z.boolean(),
};
const introduction = {
  id: z.string().min(32).max(44),
  card: z.unknown().optional(),
  proof: z.string().length(88),
  ...standing,
};
const requestSchema = z.strictObject({
  ...introduction,
  kind: z.string().regex(/^[a-z][a-z-]{0,31}$/),
  body: z.unknown().optional(),
});
const answerSchema = z.strictObject({ ...introduction, answer: z.unknown().optional() });
const refusedSchema = z.strictObject({
  refused: z.string().min(1).max(300),
  code: z.string().regex(/^[a-z][a-z-]{0,31}$/),
  address: z.string().max(45).optional(),
  by: z.strictObject(introduction).optional(),
});

/** Who we are, bound to one connection. */
export function introduce(
  identity: Identity,
  card: SignedCard | undefined,
  standing: Standing,
  role: Role,
  exported: Uint8Array,
): Introduction {
  const proof = sign(identity.seed, proofMessage(role, exported)).toString('base64');
  return { id: identity.id, card, proof, standing };
}

/**
 * Does the sender hold the private key, on this connection? A proof that was seen elsewhere fits no other
 * connection, and a server's fits no client. Pure.
 *
 * @param exported keying material of the connection, RFC 5705
 */
export function isProven(
  { id, proof }: Pick<Introduction, 'id' | 'proof'>,
  role: Role,
  exported: Uint8Array,
): boolean {
  const key = publicKeyIn(id);
  return key !== undefined && verify(key, proofMessage(role, exported), Buffer.from(proof, 'base64'));
}

export function encodeRequest({ standing, ...rest }: Request): Buffer {
  return Buffer.from(JSON.stringify({ ...rest, ...standing, body: rest.body ?? null }));
}

export function encodeAnswer({ standing, ...rest }: Answer): Buffer {
  return Buffer.from(JSON.stringify({ ...rest, ...standing, answer: rest.answer ?? null }));
}

/** @param signer who we are, for a refusal that may stop the other */
export function encodeRefused({ code, reason, address }: Refused, signer?: Introduction): Buffer {
  const { standing, ...rest } = signer ?? {};
  const by = signer && { ...rest, ...standing };
  return Buffer.from(JSON.stringify({ refused: reason.slice(0, 300), code, address, by }));
}

/** Undefined for whatever is not a request. Never throws. Pure. */
export function decodeRequest(bytes: Buffer): Request | undefined {
  const parsed = requestSchema.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  const { id, card, proof, kind, body, ...standing } = parsed.data;
  return { id, card, proof, kind, body, standing };
}

/** Undefined for whatever is neither an answer nor a refusal. Never throws. Pure. */
export function decodeAnswer(
  bytes: Buffer,
): Answer | { readonly refused: Refused; readonly signer?: Introduction | undefined } | undefined {
  const value = jsonOf(bytes);
  const refused = refusedSchema.safeParse(value);
  if (refused.success) {
    const { code, refused: reason, address, by } = refused.data;
    const { id = '', card, proof = '', ...standing } = by ?? {};
    const signer = by && { id, card, proof, standing: standing as Standing };
    // The words go to our log and to our administrator's terminal.
    return { refused: { code, reason: reason.replace(/[^\x20-\x7e]/g, '?'), address }, signer };
  }
  const parsed = answerSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const { id, card, proof, answer, ...standing } = parsed.data;
  return { id, card, proof, answer, standing };
}

function proofMessage(role: Role, exported: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`clusteros/channel/v1|${role}|`), exported]);
}

function jsonOf(bytes: Buffer): unknown {
  if (bytes.length > BODY_BYTES) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Garbage is judged like any other wrong form.
    return undefined;
  }
}
