import * as z from 'zod';
import { LABEL } from '../config/settings.ts';
import { AgentError } from '../errors.ts';
import { decodeKey } from '../identity/identity.ts';
import type { TokenStore } from './token-store.ts';
import { parseToken, pskIdentity, tokenKey } from './tokens.ts';

/** The kind of the request on the peer channel. */
export const ENROL_KIND = 'enroll';

export interface EnrolServerDeps {
  readonly tokens: Pick<TokenStore, 'take'>;
  readonly clusterKey: () => Buffer | undefined;
  readonly clusterName: () => string;
  /** A key that is being replaced is not handed out: its holder would be shut out a moment later. */
  readonly isRotating: () => boolean;
}

export type EnrolAnswer =
  | { readonly clusterKey: string; readonly clusterName: string }
  | { readonly refused: string };

/**
 * What a member answers to a machine that came with a token. The channel has made sure that it holds the
 * token's secret and the private key of its id.
 *
 * @param psk the identity that the channel was opened with, `token:<id>`
 * @param node id of the machine
 */
export function createEnrolServer(deps: EnrolServerDeps) {
  return async (psk: string, node: string): Promise<EnrolAnswer> => {
    const tokenId = /^token:([1-9A-HJ-NP-Za-km-z]{8})$/.exec(psk)?.[1];
    if (tokenId === undefined)
      return { refused: 'enrolment needs a token; a holder of the key joins as it is' };
    if (deps.isRotating()) return { refused: 'the cluster key is being changed; try again in a few minutes' };
    const key = deps.clusterKey();
    if (key === undefined) return { refused: 'this node has no usable cluster key itself' };
    const taken = await deps.tokens.take(tokenId, node);
    if (taken.outcome === 'refused') return { refused: taken.reason };
    return { clusterKey: key.toString('base64'), clusterName: deps.clusterName() };
  };
}

/** How the channel is asked under a token's key: opens it as `identity` with `key`, and returns the answer's body. */
export type TokenCall = (
  target: { readonly address: string; readonly port: number },
  psk: { readonly identity: string; readonly key: Buffer },
  kind: string,
) => Promise<unknown>;

const answerSchema = z.object({ clusterKey: z.string().max(64), clusterName: z.string().regex(LABEL) });

/**
 * Ask a member for the cluster key, with a token instead of it.
 *
 * @throws AgentError `enrol.bad-token`, `enrol.refused`; and what the channel throws
 */
export async function enrol(
  token: string,
  target: { readonly address: string; readonly port: number },
  call: TokenCall,
): Promise<{ clusterKey: Buffer; clusterName: string }> {
  const parsed = parseToken(token);
  if (parsed === undefined) {
    throw new AgentError({
      code: 'enrol.bad-token',
      exit: 'refused',
      message: 'the enrolment token is not one; expected 8 characters, a dot, and 24 characters',
      fix: 'copy the whole line that node-agent token create printed',
    });
  }
  const answer = await call(target, { identity: pskIdentity(parsed.id), key: tokenKey(parsed) }, ENROL_KIND);
  const good = answerSchema.safeParse(answer).data;
  const clusterKey = good && decodeKey(good.clusterKey);
  if (good !== undefined && clusterKey !== undefined && clusterKey.some((byte) => byte !== 0)) {
    return { clusterKey, clusterName: good.clusterName };
  }
  const { refused } = (answer ?? {}) as { refused?: unknown };
  throw new AgentError({
    code: 'enrol.refused',
    exit: 'refused',
    message: `${target.address} did not enrol this machine`,
    evidence: typeof refused === 'string' ? refused.slice(0, 300) : 'its answer is not understood',
    fix: 'make another token on a member: node-agent token create',
  });
}
