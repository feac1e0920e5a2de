import * as z from 'zod';
import { labelChangesSchema } from '../config/labels.ts';
import type { Event } from '../events/event.ts';
import type { Answer, Request } from '../host/unix-socket.ts';
import { findMember, findNode } from '../operations/find-node.ts';
import { type Operations, TOKEN_LIMITS } from '../operations/operations.ts';
import type { Status } from '../status.ts';
import { parseSince } from './since.ts';
import { type ClusterView, statusDocument } from './view.ts';

/** What the API can say of the node at this moment. */
export interface Snapshot {
  readonly status: Status;
  readonly info: unknown;
  /** Absent until the node is part of a cluster's machinery. */
  readonly view?: ClusterView | undefined;
}

/** What the API stands on. Parts that the agent does not have yet are absent, and said to be. */
export interface ApiParts {
  readonly snapshot: () => Snapshot;
  readonly operations?: Operations | undefined;
  readonly events?: EventSource | undefined;
  /** Prometheus text. */
  readonly metrics?: (() => string) | undefined;
  /** The time of day, for `since=1h`. */
  readonly now: () => Date;
}

interface EventSource {
  since(from: { readonly seq?: number; readonly time?: Date }): Promise<readonly Event[]>;
  follow(signal: AbortSignal): AsyncIterable<Event>;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly run: (parts: ApiParts, request: Request) => Answer | Promise<Answer>;
}

const node = z
  .string()
  .regex(/^.{1,100}$/, 'expected the name of a node, its id, or the beginning of its id');
const tokenId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{1,64}$/, 'expected the id of a token');

const address = z.strictObject({ address: z.string().min(1).max(300) });
const nobody = z.strictObject({});
const aNode = z.strictObject({ node });
const evictWish = z.strictObject({ node, revokeTokens: z.boolean().optional() });
const labelWish = z.strictObject({
  node,
  changes: labelChangesSchema.default({}),
  reset: z.boolean().optional(),
});
const moveWish = z.strictObject({ role: z.string().max(300), node });
const aToken = z.strictObject({ id: tokenId });
const { leastSeconds, mostSeconds, mostUses } = TOKEN_LIMITS;
const tokenWish = z.strictObject({
  ttlSeconds: z
    .int()
    .min(leastSeconds, 'expected a minute at least')
    .max(mostSeconds, 'expected a year at most'),
  uses: z.int().min(1, 'expected 1 at least').max(mostUses, `expected ${mostUses} at most`),
  note: z.string().max(200, 'expected 200 characters at most').optional(),
});
const recoverWish = z.union([
  z.strictObject({
    mode: z.enum(['from-snapshot', 'force-new-cluster']),
    snapshot: z.string().min(1).max(4096).optional(),
  }),
  z.strictObject({ mode: z.literal('follow'), node }),
  z.strictObject({ mode: z.literal('trust-disk') }),
]);

/** Every path of the API. */
export const ROUTES: readonly Route[] = [
  get('/v1/status', ({ snapshot }) => {
    const { status, view } = snapshot();
    return ok(statusDocument(status, view));
  }),
  get('/v1/info', ({ snapshot }) => ok(snapshot().info)),
  get('/v1/health', ({ snapshot }) => {
    const { state } = snapshot().status;
    return { status: state === 'ready' ? 200 : 503, body: { healthy: state === 'ready', state } };
  }),
  get('/v1/members', ({ snapshot }) => ok({ members: snapshot().view?.members ?? [] })),
  get('/v1/events', events),
  get('/v1/metrics', ({ metrics }) => (metrics === undefined ? absent('metrics') : ok({ text: metrics() }))),
  get(
    '/v1/tokens',
    mutate(undefined, async (does) => ({ tokens: await does.listTokens() })),
  ),
  post('/v1/tokens', tokenWish, (does, wish) => does.createToken(wish)),
  {
    method: 'DELETE',
    path: '/v1/tokens',
    run: mutate(aToken, (does, { id }) => does.revokeToken(id)),
  },
  post('/v1/tokens/revoke', aToken, (does, { id }) => does.revokeToken(id)),
  post('/v1/join', address, (does, wish) => does.join(wish.address)),
  post('/v1/join/forget', address, (does, wish) => does.forgetJoin(wish.address)),
  post('/v1/leave', nobody, (does) => does.leave()),
  post('/v1/evict', evictWish, (does, { node, revokeTokens }, parts) => {
    const { id, name } = findMember(parts.snapshot().view?.members ?? [], node);
    return does.evict(id, { name, revokeTokens });
  }),
  post('/v1/readmit', aNode, (does, wish, parts) => does.readmit(evictedOf(parts, wish.node))),
  post('/v1/labels', labelWish, (does, { node, changes, reset }, parts) => {
    const { id, name } = findMember(parts.snapshot().view?.members ?? [], node);
    return does.label(id, { name, changes, reset });
  }),
  post('/v1/roles/move', moveWish, (does, { role, node }, parts) => {
    return does.moveRole(role, findMember(parts.snapshot().view?.members ?? [], node));
  }),
  post('/v1/rotate-key', nobody, (does) => does.rotateKey()),
  post('/v1/reset', nobody, (does) => does.reset()),
  get(
    '/v1/recover',
    mutate(undefined, (does) => does.survey()),
  ),
  get(
    '/v1/snapshots',
    mutate(undefined, async (does) => ({ snapshots: await does.listSnapshots() })),
  ),
  post('/v1/snapshots', nobody, (does) => does.takeSnapshot()),
  post('/v1/recover', recoverWish, (does, wish) => does.recover(wish)),
];

/** What whoever may only look gets: the state, which holds no secret. */
export const STATUS_ROUTES: readonly Route[] = ROUTES.filter(({ path }) => path === '/v1/status');

type Act<T> = (does: Operations, wish: T, parts: ApiParts) => Promise<unknown>;

function get(path: string, run: Route['run']): Route {
  return { method: 'GET', path, run };
}

function post<T>(path: string, schema: z.ZodType<T>, act: Act<T>): Route {
  return { method: 'POST', path, run: mutate(schema, act) };
}

/** Check the body, then act. An AgentError of the act is answered by the API itself. */
function mutate<T>(schema: z.ZodType<T> | undefined, act: Act<T>): Route['run'] {
  return async (parts, { body }) => {
    if (parts.operations === undefined) return absent('operations');
    const read = schema === undefined ? { wish: undefined as T } : readBody(body, schema);
    if ('problem' in read) return refusal(400, 'api.bad-body', read.problem);
    return ok(await act(parts.operations, read.wish, parts));
  };
}

function readBody<T>(body: Buffer, schema: z.ZodType<T>): { wish: T } | { problem: string } {
  let value: unknown;
  try {
    value = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
  } catch {
    return { problem: 'the body is not JSON' };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { wish: parsed.data };
  const issues = parsed.error.issues.slice(0, 10);
  return {
    problem: issues
      .map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': '))
      .join('; '),
  };
}

async function events({ events: source, now }: ApiParts, { query, signal }: Request): Promise<Answer> {
  if (source === undefined) return absent('events');
  const from = parseSince(query.get('since') ?? '', now());
  if (from === undefined) {
    return refusal(400, 'api.bad-query', 'since: expected 90s, 15m, 1h, 7d, a time in ISO 8601, or seq:N');
  }
  if (query.get('follow') !== '1') return ok({ events: await source.since(from) });
  return { status: 200, body: undefined, stream: followFrom(source, from, signal) };
}

/** What was, then what comes; the following begins first, so that nothing falls between. */
async function* followFrom(
  source: EventSource,
  from: { seq?: number; time?: Date },
  signal: AbortSignal,
): AsyncGenerator<Event> {
  const coming = source.follow(signal);
  let last = 0;
  for (const event of await source.since(from)) {
    last = event.seq;
    yield event;
  }
  for await (const event of coming) if (event.seq > last) yield event;
}

/** An evicted node may be known by its id alone. */
function evictedOf({ snapshot }: ApiParts, text: string): string {
  const members = snapshot().view?.members ?? [];
  const evicted = members.filter((member) => member.evicted);
  if (/^[1-9A-HJ-NP-Za-km-z]{43,44}$/.test(text)) return text;
  const [other] = members.filter(({ name, evicted: out }) => name === text && !out);
  // Its name tells which node is meant, and `readmit` then tells that it was not evicted.
  if (other !== undefined && !evicted.some(({ name }) => name === text)) return other.id;
  return findNode(evicted, text).id;
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function absent(part: string): Answer {
  return refusal(503, 'api.not-ready', `this agent has no ${part} at the moment`);
}

export function refusal(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}
