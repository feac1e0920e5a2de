import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { base58 } from '@scure/base';
import * as z from 'zod';
import { LABEL } from '../config/settings.ts';
import type { Card, SignedCard } from '../engine/resources.ts';
import { sign, verify } from '../identity/ed25519.ts';
import { decodeKey, type Identity } from '../identity/identity.ts';
import { inNetwork, isUsable } from './ip.ts';

export const CARD_BYTES = 4 * 1024;

/** Why a card is not believed. `code` is stable. */
interface CardRefusal {
  readonly code: 'oversized' | 'malformed' | 'foreign' | 'altered' | 'impossible';
  readonly reason: string;
}

export type CardVerdict =
  | {
      readonly known: { readonly card: Card; readonly signed: SignedCard; readonly hash: string };
      readonly refused?: undefined;
    }
  | { readonly known?: undefined; readonly refused: CardRefusal };

interface CardRules {
  /** `card` subkeys, newest first; `trusted` when the card comes from where only members write (etcd). */
  readonly keys: readonly Uint8Array[] | 'trusted';
  /** Of the mesh, such as 10.42.0.0/16. */
  readonly range: string;
}

const port = z.int().min(1).max(65535);
const version = z.string().regex(/^[\w.+:~-]{1,64}$/);
const nodeId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/);

/** What else a card says is of a newer agent, and is covered by the signature: it is passed on unread. */
const cardSchema = z.object({
  version: z.literal(1),
  id: nodeId,
  name: z.string().regex(LABEL),
  sequence: z.int().min(1),
  meshKey: z.string().length(44),
  meshAddress: z.string().max(15),
  addresses: z.array(z.string().max(45)).max(16),
  ports: z.object({ gossip: port, peer: port, mesh: port, raft: port, etcd: port }),
  versions: z.object({ agent: version, image: version, serf: version, etcd: version }),
  genesis: z
    .object({
      uuid: z.string().regex(/^[0-9a-zA-Z-]{1,64}$/),
      founder: nodeId,
      expect: z.int().min(1).max(1000).optional(),
      ancestors: z
        .array(z.string().regex(/^[0-9a-zA-Z-]{1,64}$/))
        .max(16)
        .optional(),
      signature: z.string().max(88),
    })
    .optional(),
});

const signedSchema = z.strictObject({
  body: z.string().max(Math.ceil(CARD_BYTES / 3) * 4),
  signature: z.string().length(88),
  mac: z.string().length(44),
});

/** @param key the newest `card` subkey */
export function makeCard(card: Card, identity: Identity, key: Uint8Array): SignedCard {
  const bytes = Buffer.from(JSON.stringify(card));
  return {
    body: bytes.toString('base64'),
    signature: sign(identity.seed, signedBytes(bytes)).toString('base64'),
    mac: macOf(bytes, key).toString('base64'),
  };
}

/**
 * Believe a card, or say why not: size, MAC (it comes from a holder of the cluster key), signature (it comes
 * from the identity that it names), content. Whether it is the sender's own is for the peer channel to prove,
 * whether it is the newest for who keeps cards. Never throws. Pure.
 */
export function verifyCard(value: unknown, rules: CardRules): CardVerdict {
  const signed = readSigned(value);
  if ('code' in signed) return { refused: signed };
  const bytes = Buffer.from(signed.body, 'base64');
  if (bytes.length > CARD_BYTES) return refuse('oversized', `its card has more than ${CARD_BYTES} bytes`);
  if (rules.keys !== 'trusted') {
    const mac = Buffer.from(signed.mac, 'base64');
    if (mac.length !== 32 || !rules.keys.some((key) => timingSafeEqual(mac, macOf(bytes, key)))) {
      return refuse('foreign', 'its card was not made with our cluster key');
    }
  }
  const parsed = parseCard(bytes, rules.range);
  if (parsed.refused) return { refused: parsed.refused };
  const { card } = parsed;
  if (!verify(base58.decode(card.id), signedBytes(bytes), Buffer.from(signed.signature, 'base64'))) {
    return refuse('altered', 'its card was altered: the signature is not by its identity');
  }
  return { known: { card, signed, hash: hashOf(bytes) } };
}

/** Read what a card says, without any proof. Never throws. Pure. */
export function parseCard(
  bytes: Buffer,
  range: string,
):
  | { readonly card: Card; readonly refused?: undefined }
  | { readonly card?: undefined; readonly refused: CardRefusal } {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return refuse('malformed', 'its card is not JSON');
  }
  const parsed = cardSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue?.path.slice(0, 4).join('.') || 'card';
    return refuse('malformed', `its card is not of our form: ${place.slice(0, 40)}`);
  }
  const card = parsed.data;
  if (publicKeyIn(card.id) === undefined) return refuse('impossible', 'its card has an id that is no key');
  if (decodeKey(card.meshKey) === undefined) {
    return refuse('impossible', 'its card has a mesh key that is none');
  }
  const [network = '', bits = ''] = range.split('/');
  if (!inNetwork(card.meshAddress, network, Number(bits))) {
    return refuse('impossible', `its card has a mesh address outside ${range}`);
  }
  if (!card.addresses.every(isUsable)) {
    return refuse('impossible', 'its card has an address that nobody can reach');
  }
  return { card };
}

/**
 * The same card under another cluster key. A MAC says that a holder of the key vouches for the card, so whoever
 * holds the newer key may renew it, and cards outlive a rotation. Pure.
 */
export function renewMac(signed: SignedCard, key: Uint8Array): SignedCard {
  const before = renewed.get(signed);
  if (before !== undefined && before.key === key) return before.signed;
  const mac = macOf(Buffer.from(signed.body, 'base64'), key).toString('base64');
  const now = mac === signed.mac ? signed : { ...signed, mac };
  renewed.set(signed, { key, signed: now });
  return now;
}

/** Each newcomer is shown every card. */
const renewed = new WeakMap<SignedCard, { readonly key: Uint8Array; readonly signed: SignedCard }>();

/** First 16 hexadecimal digits of SHA-256: Serf's tag `card`. */
export function cardHash(signed: SignedCard): string {
  return hashOf(Buffer.from(signed.body, 'base64'));
}

/** The 32 bytes in a node id, or undefined. Pure. */
export function publicKeyIn(id: string): Buffer | undefined {
  if (id.length < 32 || id.length > 44) return undefined;
  try {
    const bytes = base58.decode(id);
    return bytes.length === 32 ? Buffer.from(bytes) : undefined;
  } catch {
    // Not base58.
    return undefined;
  }
}

function readSigned(value: unknown): SignedCard | CardRefusal {
  const parsed = signedSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const tooLong = parsed.error.issues.some(({ code, path }) => code === 'too_big' && path[0] === 'body');
  return tooLong
    ? { code: 'oversized', reason: `its card has more than ${CARD_BYTES} bytes` }
    : { code: 'malformed', reason: 'it shows no card' };
}

function refuse(code: CardRefusal['code'], reason: string): { readonly refused: CardRefusal } {
  return { refused: { code, reason } };
}

/** Under a word of its own, so that no other signature of the identity can pass for a card's. */
function signedBytes(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('clusteros/card/v1\0'), bytes]);
}

function macOf(bytes: Uint8Array, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(bytes).digest();
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
