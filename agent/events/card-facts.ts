import type { SignedCard } from '../engine/resources.ts';

/** What people want to know of a card. */
export interface CardFacts {
  readonly id: string;
  readonly name: string;
  readonly meshKey: string | undefined;
  readonly meshAddress: string | undefined;
  readonly addresses: readonly string[];
  readonly agent: string | undefined;
  readonly image: string | undefined;
}

const remembered = new WeakMap<SignedCard, CardFacts | null>();

/**
 * Read a card for display only, or undefined when it is none. Its signature was checked by whoever put it into the
 * resources; this only makes sure that a shape we do not know cannot break the view.
 */
export function cardFacts(signed: SignedCard): CardFacts | undefined {
  let facts = remembered.get(signed);
  if (facts === undefined) {
    facts = read(signed) ?? null;
    remembered.set(signed, facts);
  }
  return facts ?? undefined;
}

function read(signed: SignedCard): CardFacts | undefined {
  let card: Record<string, unknown>;
  try {
    card = JSON.parse(Buffer.from(signed.body, 'base64').toString('utf8')) ?? {};
  } catch {
    return undefined;
  }
  const { id, name, meshKey, meshAddress, addresses, versions } = card;
  if (typeof id !== 'string' || typeof name !== 'string') return undefined;
  const { agent, image } = (versions ?? {}) as Record<string, unknown>;
  return {
    id,
    name,
    meshKey: text(meshKey),
    meshAddress: text(meshAddress),
    addresses: Array.isArray(addresses) ? addresses.filter((entry) => typeof entry === 'string') : [],
    agent: text(agent),
    image: text(image),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
