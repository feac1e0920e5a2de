import { peerTls } from '../../host.ts';
import { judgePeer } from './answering.ts';
import type { Called, CallOptions, ChannelDeps, Target } from './channel.ts';
import { BODY_BYTES, decodeAnswer, encodeRequest, introduce, type Refused } from './envelope.ts';
import { failureInWords, isKeyAlert } from './tls-refusals.ts';

/** Refusals that say nothing about authentication: kept out of the log and the list. */
const HARMLESS = new Set(['not-ready', 'self', 'unknown-kind', 'failed']);

/** One request and its answer, or why there is none. Never throws. */
export async function callPeer(
  deps: ChannelDeps,
  { address, port }: Target,
  kind: string,
  body: unknown,
  options: CallOptions & { readonly timeoutMs: number },
): Promise<Called> {
  const self = deps.self();
  if (self === undefined) return { failed: 'this node has no identity yet' };
  const asMember = options.token === undefined && !options.replaced;
  if (self.card === undefined && asMember) return { failed: 'this node has no card yet' };
  const keyKind = options.replaced ? 'rekey' : 'key';
  const keys =
    options.token === undefined
      ? self.keys.map((one) => ({
          identity: `${keyKind}:${one.fingerprint}`,
          key: one.channel,
          entry: options.replaced ? { replacedKey: one.fingerprint } : {},
        }))
      : [
          {
            identity: `token:${options.token.id}`,
            key: options.token.key,
            entry: { token: options.token.id },
          },
        ];
  if (keys.length === 0) return { failed: 'this node has no cluster key yet' };
  const refused = (reason: Refused): Called => {
    if (!HARMLESS.has(reason.code)) deps.refusals.record(address, reason.code, reason.reason);
    return { refused: reason };
  };
  const standing = deps.standing();
  // During a rotation a node may hold only the older of our keys.
  for (const { identity, key, entry } of keys) {
    let got: Awaited<ReturnType<typeof peerTls.call>>;
    try {
      got = await peerTls.call({
        address,
        port,
        identity,
        key,
        body: (exported) =>
          encodeRequest({
            ...introduce(self.identity, asMember ? self.card : undefined, standing, 'client', exported),
            kind,
            body,
          }),
        answerBytes: BODY_BYTES,
        timeoutMs: options.timeoutMs,
        signal: options.signal,
      });
    } catch (error) {
      if (isKeyAlert(error)) continue;
      return { failed: failureInWords(error) };
    }
    const said = decodeAnswer(got.body);
    if (said === undefined) return refused({ code: 'malformed', reason: 'its answer is not of our form' });
    if ('refused' in said) {
      const { code, reason, address: elsewhere } = said.refused;
      const signer = said.signer && judgePeer(self, said.signer, 'server', got.exported, address, entry);
      const by = signer === undefined || 'code' in signer ? undefined : signer.id;
      // A word that stops a node is a member's own, or it is only noted.
      if (code === 'duplicate' && by !== undefined && elsewhere !== undefined)
        deps.toldDuplicate(elsewhere, by);
      return refused({ code, reason: `it refused us: ${reason}`, address: elsewhere, by });
    }
    // Someone without the cluster key of now cannot check the MAC of a card: only the identity is proven.
    const judged = judgePeer(self, said, 'server', got.exported, address, entry);
    if ('code' in judged) return refused(judged);
    if (judged.id === self.identity.id) {
      if (judged.standing.instance === standing.instance) {
        return refused({ code: 'self', reason: 'it is this node itself' });
      }
      deps.metOurself(standing, judged.standing, address);
      return { refused: { code: 'duplicate', reason: 'it has our own identity', address } };
    }
    const objection = asMember ? await deps.admit(judged) : undefined;
    return objection ? refused(objection) : { answer: said.answer, peer: judged };
  }
  const ours = self.keys[0]?.fingerprint;
  return refused(
    options.token === undefined
      ? { code: 'other-key', reason: `it does not hold our cluster key (fingerprint ${ours})` }
      : { code: 'token', reason: 'it does not know the token, or the token is expired or used up' },
  );
}
