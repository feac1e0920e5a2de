import * as z from 'zod';
import { LABEL } from '../config/settings.ts';
import { AgentError } from '../errors.ts';
import { decodeKey } from '../identity/identity.ts';
import { parseToken, tokenKey } from '../identity/tokens.ts';
import type { TokenStore } from './token-store.ts';

/** The kind of the request on the peer channel. */
export const ENROL_KIND = 'enroll';

interface EnrolServerDeps {
  readonly tokens: Pick<TokenStore, 'take'>;
  readonly clusterKey: () => Buffer | undefined;
  readonly clusterName: () => string;
  /** A key that is being replaced is not handed out: its holder would be shut out a moment later. */
  readonly isRotating: () => Promise<boolean>;
}

type EnrolAnswer =
  | { readonly clusterKey: string; readonly clusterName: string }
  | { readonly refused: string };

/**
 * What a member answers to a machine that came with a token. The channel has made sure that it holds the
 * token's secret and the private key of its id.
 *
 * @param tokenId by which the machine came in; absent when it holds a cluster key
 * @param node id of the machine
 */
export function createEnrolServer(deps: EnrolServerDeps) {
  return async (tokenId: string | undefined, node: string): Promise<EnrolAnswer> => {
    if (tokenId === undefined)
      return { refused: 'enrolment needs a token; a holder of the key joins as it is' };
    if (await deps.isRotating())
      return { refused: 'the cluster key is being changed; try again in a few minutes' };
    const key = deps.clusterKey();
    if (key === undefined) return { refused: 'this node has no usable cluster key itself' };
    const taken = await deps.tokens.take(tokenId, node);
    if (taken.outcome === 'refused') return { refused: taken.reason };
    return { clusterKey: key.toString('base64'), clusterName: deps.clusterName() };
  };
}

/** `PeerChannel.call`, as far as it is needed here: opens the channel under the token's key. */
export type TokenCall = (
  target: { readonly address: string; readonly port: number },
  kind: string,
  body: unknown,
  options: { readonly token: { readonly id: string; readonly key: Buffer } },
) => Promise<{
  readonly answer?: unknown;
  readonly refused?: { readonly reason: string } | undefined;
  readonly failed?: string | undefined;
}>;

const answerSchema = z.object({ clusterKey: z.string().max(64), clusterName: z.string().regex(LABEL) });

/**
 * Ask a member for the cluster key, with a token instead of it.
 *
 * @throws AgentError `enrol.bad-token`, `enrol.refused`; and what the channel throws
 */
export async function enrol(
  text: string,
  target: { readonly address: string; readonly port: number },
  call: TokenCall,
): Promise<{ clusterKey: Buffer; clusterName: string }> {
  const parsed = parseToken(text);
  if (parsed === undefined) {
    throw new AgentError({
      code: 'enrol.bad-token',
      exit: 'refused',
      message: 'the enrolment token is not one; expected 8 characters, a dot, and 24 characters',
      fix: 'copy the whole line that node-agent token create printed',
    });
  }
  const token = { id: parsed.id, key: tokenKey(parsed) };
  const { answer, refused, failed } = await call(target, ENROL_KIND, {}, { token });
  const good = answerSchema.safeParse(answer).data;
  const clusterKey = good && decodeKey(good.clusterKey);
  if (good && clusterKey?.some((byte) => byte !== 0)) {
    return { clusterKey, clusterName: good.clusterName };
  }
  const said = (answer as { refused?: unknown } | null | undefined)?.refused;
  const reason =
    refused?.reason ?? failed ?? (typeof said === 'string' ? said : 'its answer is not understood');
  throw new AgentError({
    code: failed === undefined ? 'enrol.refused' : 'enrol.unreachable',
    exit: failed === undefined ? 'refused' : 'notDone',
    message: `${target.address} did not enrol this machine`,
    evidence: reason.slice(0, 300),
    fix: 'if the token is used up or expired, make another one on a member: node-agent token create',
  });
}
