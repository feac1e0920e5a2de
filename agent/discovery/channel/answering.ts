import type { SignedCard } from '../../engine/resources.ts';
import { AgentError } from '../../errors.ts';
import type { PskRequest } from '../../host/peer-tls.ts';
import { type CardVerdict, verifyCard } from '../card.ts';
import type { ChannelDeps, ChannelSelf, Handler, Peer } from './channel.ts';
import {
  decodeRequest,
  encodeAnswer,
  encodeRefused,
  type Introduction,
  introduce,
  isProven,
  type Refused,
  STOPPING,
} from './envelope.ts';

/** The only thing that a peer without the cluster key may ask for. */
const ENROLMENT = 'enroll';
/** The only thing that a peer with a replaced cluster key may ask for. */
export const REKEY = 'rekey';

/** Judge a request and answer it. Never throws: what goes wrong here is for our log. */
export async function answerRequest(
  deps: ChannelDeps,
  handlers: ReadonlyMap<string, Handler>,
  { address, identity, exported, body }: PskRequest,
): Promise<Buffer> {
  const self = deps.self();
  const refuse = (refused: Refused, noted = true): Buffer => {
    if (noted) deps.refusals.record(address, refused.code, refused.reason);
    const signs = STOPPING.has(refused.code) && self !== undefined;
    return encodeRefused(
      refused,
      signs ? introduce(self.identity, self.card, deps.standing(), 'server', exported) : undefined,
    );
  };
  if (self?.card === undefined) return refuse(NOT_READY, false);
  const request = decodeRequest(body);
  if (request === undefined) {
    return refuse({ code: 'malformed', reason: 'its request is not of our form' });
  }
  const entry = entryOf(identity);
  if (entry.token !== undefined && request.kind !== ENROLMENT) {
    return refuse({ code: 'token', reason: `a token is for enrolment only, not for ${request.kind}` });
  }
  if (entry.replacedKey !== undefined && request.kind !== REKEY) {
    return refuse({ code: 'other-key', reason: `its cluster key was replaced (${entry.replacedKey})` });
  }
  const judged = judgePeer(self, request, 'client', exported, address, entry);
  if ('code' in judged) return refuse(judged);

  const standing = deps.standing();
  const answer = (value: unknown): Buffer =>
    encodeAnswer({ ...introduce(self.identity, self.card, standing, 'server', exported), answer: value });
  if (judged.id === self.identity.id) {
    if (judged.standing.instance === standing.instance) {
      return refuse({ code: 'self', reason: 'it is this node itself' }, false);
    }
    deps.metOurself(standing, judged.standing, address);
    // The other judges by the same two standings.
    return answer(null);
  }
  try {
    const refused = await deps.admit(judged);
    if (refused) return refuse(refused);
    const handler = handlers.get(request.kind);
    if (handler === undefined) {
      return refuse({ code: 'unknown-kind', reason: `this node knows no request ${request.kind}` }, false);
    }
    return answer(await handler(judged, request.body));
  } catch (error) {
    const known = error instanceof AgentError;
    deps.log[known ? 'info' : 'error']('a request of a peer failed', {
      peer: address,
      kind: request.kind,
      reason: String(known ? error.message : error instanceof Error ? error.stack : error),
    });
    return refuse({ code: 'failed', reason: known ? error.message : 'the request failed' }, false);
  }
}

/** By what, other than a cluster key of now, someone came in. */
export type Entry = Pick<Peer, 'token' | 'replacedKey'>;

function entryOf(identity: string): Entry {
  const [kind, name] = identity.split(':', 2);
  if (kind === 'token') return { token: name };
  return kind === 'rekey' ? { replacedKey: name } : {};
}

/**
 * Who the other side is: its card is believed, and it has proved on this connection that the card is its own.
 * Pure.
 */
export function judgePeer(
  self: Pick<ChannelSelf, 'keys' | 'range' | 'evicted'>,
  said: Introduction,
  role: 'client' | 'server',
  exported: Uint8Array,
  address: string,
  entry: Entry,
): Peer | Refused {
  let known: CardVerdict['known'];
  if (entry.token === undefined && entry.replacedKey === undefined) {
    const verdict = verifyCard(said.card, { keys: self.keys.map(({ card }) => card), range: self.range });
    if (verdict.refused) return verdict.refused;
    known = verdict.known;
  }
  const id = known?.card.id ?? said.id;
  if (id !== said.id || !isProven(said, role, exported)) {
    return known === undefined
      ? { code: 'unproven', reason: 'it does not hold the private key of its identity' }
      : { code: 'replayed', reason: 'replayed card: it does not hold the private key of the card it shows' };
  }
  if (self.evicted.has(id)) {
    return { code: 'evicted', reason: `evicted: node ${id} was removed from the cluster` };
  }
  return {
    id,
    card: known?.card,
    signed: known?.signed as SignedCard | undefined,
    hash: known?.hash,
    address,
    standing: said.standing,
    ...entry,
  };
}

const NOT_READY: Refused = { code: 'not-ready', reason: 'this node has no card yet' };
