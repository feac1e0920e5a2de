import { parseDuration } from '../api/since.ts';
import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import { type CreatedToken, type Done, TOKEN_LIMITS, type TokenView } from '../operations/operations.ts';
import { askAgent, type Context, type Options, orderAgent, printResult } from './context.ts';
import { table } from './table.ts';

interface TokenOptions extends Options {
  readonly ttl: string;
  readonly uses: string;
  readonly note?: string;
}

export async function tokenCreate(context: Context, options: TokenOptions): Promise<void> {
  if (!/^[1-9]\d{0,4}$/.test(options.uses) || Number(options.uses) > TOKEN_LIMITS.mostUses) {
    throw new AgentError({
      code: 'usage',
      exit: 'usage',
      message: `--uses: expected a number of machines, at most ${TOKEN_LIMITS.mostUses}`,
      fix: '--uses 1',
    });
  }
  const wish = {
    ttlSeconds: lifetime(options.ttl),
    uses: Number(options.uses),
    ...(options.note === undefined ? {} : { note: options.note }),
  };
  const created = await orderAgent<CreatedToken>(context, '/v1/tokens', wish);
  printResult(
    context,
    options,
    created,
    (it) => `${it.token}
It lets ${it.uses === 1 ? 'one machine' : `${it.uses} machines`} in until ${it.expires}, and is not shown again.
Put it as clusteros/cluster.token on a seed, instead of the cluster key.`,
  );
}

/** Seconds of `--ttl`. */
function lifetime(text: string): number {
  const { leastSeconds, mostSeconds } = TOKEN_LIMITS;
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds >= leastSeconds && seconds <= mostSeconds) return seconds;
  throw new AgentError({
    code: 'usage',
    exit: 'usage',
    message: '--ttl: expected a duration from 1m to 366d, such as 15m, 24h or 7d',
    fix: '--ttl 24h',
  });
}

export async function tokenList(context: Context, options: Options): Promise<void> {
  const document = await askAgent<{ tokens: readonly TokenView[] }>(context, '/v1/tokens');
  printResult(context, options, document, ({ tokens }) =>
    tokens.length === 0 ? 'no tokens' : tokenTable(tokens, clock.wallClock()).join('\n'),
  );
}

export async function tokenRevoke(
  context: Context,
  options: Options,
  [id = '']: readonly string[],
): Promise<void> {
  // People paste the whole token; its secret is no business of the socket.
  const done = await orderAgent<Done>(context, '/v1/tokens/revoke', { id: id.split('.')[0] });
  printResult(context, options, done, (it) => it.done);
}

export function tokenTable(tokens: readonly TokenView[], now: Date): string[] {
  return table(
    ['TOKEN', 'USES LEFT', 'EXPIRES', 'NOTE'],
    tokens.map(({ id, usesLeft, expires, note }) => [
      id,
      String(usesLeft),
      Date.parse(expires) <= now.getTime() ? `expired ${expires}` : expires,
      note,
    ]),
  );
}
