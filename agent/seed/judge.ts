import { readDocument } from '../config/document.ts';
import { describeProblem } from '../config/problems.ts';
import { judgeKey, readKey } from '../identity/cluster-key.ts';
import { fingerprint } from '../identity/keys.ts';
import { parseTokenFile, tokenText } from '../identity/tokens.ts';
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
  /** An enrolment token that nobody has taken yet. */
  readonly token?: string | undefined;
  /** Id of the token by which the node has come in. */
  readonly enrolledBy?: string | undefined;
  /** Fingerprints of keys that this cluster has replaced. */
  readonly retired?: readonly string[] | undefined;
}

interface Judgement {
  readonly decisions: readonly Decision[];
  /** What the node shall hold from now on; the same objects as before where nothing changes. */
  readonly held: Held;
}

/** Decide on each offer in turn; what one brings is held when the next is judged. Pure. */
export function judgeOffers(held: Held, offers: readonly Offer[]): Judgement {
  let now = held;
  // The token of this pass, if any, counts: whoever puts another one on the seed means that one.
  let offered: string | undefined;
  const decisions = offers.map((offer) => {
    const { decision, next } = judgeOffer(now, offer, offered);
    if (offer.item === 'cluster.token' && decision.outcome === 'taken') offered = next.token;
    now = next;
    return { item: offer.item, source: offer.source, ...decision };
  });
  return { decisions, held: now };
}

type Outcome = Pick<Decision, 'outcome' | 'reason'>;

function judgeOffer(
  held: Held,
  { item, place, content }: Offer,
  offered: string | undefined,
): { decision: Outcome; next: Held } {
  const stay = (outcome: Outcome['outcome'], reason: string) => ({
    decision: { outcome, reason },
    next: held,
  });
  if ('refusal' in content) return stay('refused', content.refusal);
  if ('ignored' in content) return stay('ignored', content.ignored);
  if (item === 'cluster.token') {
    const token = parseTokenFile(content.bytes);
    if (token === undefined) return stay('refused', NO_TOKEN);
    if (held.key !== undefined) {
      return held.enrolledBy === token.id
        ? { decision: { outcome: 'taken' }, next: held }
        : stay('ignored', 'this node holds a cluster key and needs no token');
    }
    const text = tokenText(token);
    if (offered !== undefined && offered !== text) return stay('ignored', 'another token was offered first');
    return { decision: { outcome: 'taken' }, next: held.token === text ? held : { ...held, token: text } };
  }
  if (item === 'cluster.key') {
    const reading = readKey(content.bytes);
    if (reading.key !== undefined && held.key !== undefined && !held.key.equals(reading.key)) {
      const mark = fingerprint(reading.key);
      if (held.retired?.includes(mark)) {
        return stay(
          'ignored',
          `it is the key ${mark}, which this cluster has replaced by ${fingerprint(held.key)}`,
        );
      }
    }
    const verdict = judgeKey(held.key, reading);
    if (verdict.outcome === 'refused') return stay('refused', verdict.reason);
    const key = verdict.outcome === 'taken' ? verdict.key : held.key;
    return { decision: { outcome: 'taken' }, next: { ...held, key } };
  }
  const { problems } = readDocument(place, content.bytes);
  if (problems.length > 0) return stay('refused', problems.slice(0, 8).map(describeProblem).join('; '));
  const same = held.settings?.equals(content.bytes) ?? false;
  return { decision: { outcome: 'taken' }, next: same ? held : { ...held, settings: content.bytes } };
}

const NO_TOKEN = 'it is not an enrolment token; expected the line that node-agent token create printed';
