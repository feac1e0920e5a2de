import type { EtcdClient, Op, OpResult } from '../consensus/etcd/types.ts';
import { AgentError } from '../errors.ts';
import { makeToken, tokenKey, tokenText } from '../identity/tokens.ts';
import { KEYS, PREFIX } from '../registry/keys.ts';
import { parseValue, tokenRecord } from '../registry/records.ts';
import type { CreatedToken, Done, TokenView, TokenWish } from './operations.ts';

export type TokenEtcd = Pick<EtcdClient, 'range' | 'txn' | 'grantLease'>;

interface TokenStoreDeps {
  readonly etcd: TokenEtcd;
  /** For people to read: no clock of a node decides that a token is good. */
  readonly now: () => Date;
  readonly random: (bytes: number) => Uint8Array;
}

export type Taken = { readonly outcome: 'taken' } | { readonly outcome: 'refused'; readonly reason: string };

/** Tokens gone longer than this are forgotten with the next one that is made. */
const FORGET_MS = 7 * 86_400_000;
const ATTEMPTS = 16;

export type TokenStore = ReturnType<typeof createTokenStore>;

/**
 * The tokens in etcd, `tokens/<id>`. A use is taken by compare-and-swap, so that none is taken twice.
 *
 * A token is good as long as its life, `token-lives/<id>`, is there. That key hangs on a lease of etcd's, so that it
 * goes after the token's time whatever the clocks of the nodes say. A lease begins anew with each leader and each
 * start of etcd's: voters that have known the token for its time by their own clocks end it then, see token-clock.ts.
 */
export function createTokenStore({ etcd, now, random }: TokenStoreDeps) {
  const all = async () => {
    const { responses } = await etcd.txn({
      compare: [],
      success: [
        { kind: 'range', key: KEYS.token(''), prefix: true },
        { kind: 'range', key: KEYS.tokenLife(''), prefix: true, keysOnly: true },
      ],
    });
    const [records = [], lives = []] = responses.map((found) => (found.kind === 'range' ? found.kvs : []));
    const live = new Set(lives.map(({ key }) => key.slice(KEYS.tokenLife('').length)));
    return records.flatMap(({ key, value }) => {
      const id = key.slice(KEYS.token('').length);
      const record = parseValue(tokenRecord, value);
      return record === undefined ? [] : [{ id, record, expired: !live.has(id) }];
    });
  };

  const forgetOld = async () => {
    const old = (await all()).filter(
      ({ record, expired }) => expired && Date.parse(record.expires) + FORGET_MS < now().getTime(),
    );
    for (const { id } of old) await etcd.txn({ compare: [], success: removal(id) });
  };

  return {
    async create({ ttlSeconds, uses, note }: TokenWish): Promise<CreatedToken> {
      await forgetOld();
      const token = makeToken(random);
      const expires = new Date(now().getTime() + ttlSeconds * 1000).toISOString();
      const secret = tokenKey(token).toString('base64');
      const record = { key: secret, expires, ttlSeconds, usesLeft: uses, note };
      const { id: lease } = await etcd.grantLease(ttlSeconds);
      const key = KEYS.token(token.id);
      const { succeeded } = await etcd.txn({
        compare: [{ key, target: 'create', value: '0' }],
        success: [
          { kind: 'put', key, value: JSON.stringify(record) },
          { kind: 'put', key: KEYS.tokenLife(token.id), value: '', lease },
        ],
      });
      if (!succeeded) throw new Error('a token of that id exists: the random numbers repeat themselves');
      return { id: token.id, token: tokenText(token), expires, uses };
    },

    async list(): Promise<TokenView[]> {
      return (await all())
        .map(({ id, expired, record: { expires, usesLeft, note } }) => ({
          id,
          expires,
          expired,
          usesLeft,
          note,
        }))
        .sort((a, b) => (a.expires < b.expires ? -1 : 1));
    },

    /** @throws AgentError `token.unknown` */
    async revoke(id: string): Promise<Done> {
      const { succeeded } = await etcd.txn({
        compare: [{ key: KEYS.token(id), target: 'create', result: '!=', value: '0' }],
        success: removal(id),
      });
      if (succeeded) return { done: `the token ${id} is revoked`, note: 'Nodes that joined with it stay.' };
      throw new AgentError({
        code: 'token.unknown',
        exit: 'usage',
        message: `there is no token ${id}`,
        fix: 'node-agent token list',
      });
    },

    /**
     * Take one use for a node. The same node asks again when it did not get the answer: that costs no second use.
     *
     * @throws EtcdError when etcd does not answer; a use may have been taken, and asking again is right
     */
    async take(id: string, node: string): Promise<Taken> {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const [kv] = (await etcd.range(KEYS.token(id))).kvs;
        const record = kv && parseValue(tokenRecord, kv.value);
        if (kv === undefined || record === undefined) return refused('it is unknown or was revoked');
        const life = KEYS.tokenLife(id);
        if ((await etcd.range(life)).kvs.length === 0) return refused(`it expired at ${record.expires}`);
        const use = KEYS.tokenUse(id, node);
        if ((await etcd.range(use)).kvs.length > 0) return { outcome: 'taken' };
        if (record.usesLeft <= 0) return refused('all its uses are taken');
        const next = JSON.stringify({ ...record, usesLeft: record.usesLeft - 1 });
        const { succeeded } = await etcd.txn({
          compare: [
            { key: kv.key, target: 'mod', value: kv.modRevision },
            { key: use, target: 'create', value: '0' },
            { key: life, target: 'create', result: '!=', value: '0' },
          ],
          success: [
            { kind: 'put', key: kv.key, value: next },
            { kind: 'put', key: use, value: now().toISOString() },
          ],
        });
        if (succeeded) return { outcome: 'taken' };
      }
      return refused('too many machines use it at once; try again');
    },
  };
}

function removal(id: string): readonly Op[] {
  return [
    { kind: 'delete', key: KEYS.tokenLife(id) },
    { kind: 'delete', key: KEYS.token(id) },
    { kind: 'delete', key: KEYS.tokenUse(id, ''), prefix: true },
  ];
}

/** For a transaction: from then on no token lets anybody in. {@link endedTokens} reads its first response. */
export const END_TOKENS: readonly Op[] = [
  { kind: 'delete', key: KEYS.tokenLife(''), prefix: true },
  { kind: 'delete', key: `${PREFIX}tokens/`, prefix: true },
  { kind: 'delete', key: `${PREFIX}token-uses/`, prefix: true },
];

/** How many tokens {@link END_TOKENS} ended that had not expired. Pure. */
export function endedTokens(response: OpResult | undefined): number {
  return response?.kind === 'delete' ? response.deleted : 0;
}

/** Of people's sentences. Pure. */
export function countOfTokens(count: number): string {
  return count === 1 ? '1 enrolment token' : `${count} enrolment tokens`;
}

function refused(reason: string): Taken {
  return { outcome: 'refused', reason: `the token is not good: ${reason}` };
}
