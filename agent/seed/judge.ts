import { readDocument } from '../config/document.ts';
import { describeProblem } from '../config/problems.ts';
import { judgeKey, readKey } from '../identity/cluster-key.ts';
import type { Decision, SeedItem } from './report.ts';

/** Files larger than this are refused unread. */
export const OFFER_LIMIT = 64 * 1024;

/** Something put before the node: bytes to judge, or the reason why they were not even read. */
export interface Offer {
  readonly source: SeedItem['source'];
  readonly item: string;
  /** For messages: where exactly. */
  readonly place: string;
  readonly content: { readonly bytes: Buffer } | { readonly refusal: string } | { readonly ignored: string };
}

export interface Held {
  readonly key: Buffer | undefined;
  /** The settings file of an earlier seed. */
  readonly settings: Buffer | undefined;
}

export interface Judgement {
  readonly decisions: readonly Decision[];
  /** What the node shall hold from now on; the same objects as before where nothing changes. */
  readonly held: Held;
}

/** Decide on each offer in turn; what one brings is held when the next is judged. Pure. */
export function judgeOffers(held: Held, offers: readonly Offer[]): Judgement {
  let now = held;
  const decisions = offers.map((offer) => {
    const { decision, next } = judgeOffer(now, offer);
    now = next;
    return { item: offer.item, source: offer.source, ...decision };
  });
  return { decisions, held: now };
}

type Outcome = Pick<Decision, 'outcome' | 'reason'>;

function judgeOffer(held: Held, { item, place, content }: Offer): { decision: Outcome; next: Held } {
  const stay = (outcome: Outcome['outcome'], reason: string) => ({
    decision: { outcome, reason },
    next: held,
  });
  if ('refusal' in content) return stay('refused', content.refusal);
  if ('ignored' in content) return stay('ignored', content.ignored);
  if (item === 'cluster.key') {
    const verdict = judgeKey(held.key, readKey(content.bytes));
    if (verdict.outcome === 'refused') return stay('refused', verdict.reason);
    const key = verdict.outcome === 'taken' ? verdict.key : held.key;
    return { decision: { outcome: 'taken' }, next: { ...held, key } };
  }
  const { problems } = readDocument(place, content.bytes.toString('utf8'));
  if (problems.length > 0) return stay('refused', problems.slice(0, 8).map(describeProblem).join('; '));
  const same = held.settings?.equals(content.bytes) ?? false;
  return { decision: { outcome: 'taken' }, next: same ? held : { ...held, settings: content.bytes } };
}
