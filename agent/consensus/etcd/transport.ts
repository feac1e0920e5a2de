import { clock, httpsJson } from '../../host.ts';
import { BadAnswer, type Fields, headerOf, parseAnswer, resultOf } from './answers.ts';
import { connectLimit, limitOf } from './limit.ts';
import { badAnswer, failureOf, refusalOf } from './refusals.ts';
import { type EtcdClientOptions, EtcdError, type TlsMaterial } from './types.ts';

/** One request to one endpoint; connections come and go by themselves. */
export interface Transport {
  /** @throws EtcdError also when `parse` throws BadAnswer */
  post<T>(endpoint: string, path: string, body: unknown, options: ExchangeOptions<T>): Promise<T>;
  /** The unwrapped results of a streaming call. @throws EtcdError */
  stream<T>(endpoint: string, path: string, body: unknown, options: StreamOptions<T>): AsyncGenerator<T>;
  /** End everything. */
  close(): void;
}

interface ExchangeOptions<T> {
  readonly parse: (answer: Fields) => T;
  readonly timeoutMs: number;
  /** Let a member that knows no leader refuse at once, instead of waiting for one. */
  readonly leader: boolean;
}

interface StreamOptions<T> {
  readonly parse: (result: Fields) => T;
  readonly openMs: number;
  readonly idleMs?: number;
  readonly leader: boolean;
  readonly signal: AbortSignal;
}

const ANSWER_BYTES = 64 * 1024 * 1024;
/** Connections to an endpoint that is not listed (any more) are kept this long after their last use. */
const UNLISTED_MS = 30_000;

interface Connection {
  readonly origin: Promise<httpsJson.Origin>;
  usedMs: number;
  /** Calls under way. */
  busy: number;
}

export function createTransport({ endpoints, tls, clusterId, timeoutMs }: EtcdClientOptions): Transport {
  const callMs = limitOf(timeoutMs);
  const connections = new Map<string, Connection>();
  const closed = new AbortController();
  let material: TlsMaterial | undefined;

  /** Calls under way may end; a stream has to go elsewhere. */
  const drop = (endpoint: string, connection: Connection, withinMs = callMs()) => {
    connections.delete(endpoint);
    clock.pause(connection.busy > 0 ? withinMs : 0, closed.signal).then(async () => {
      (await connection.origin.catch(() => undefined))?.destroy();
    });
  };
  const prune = () => {
    const listed = new Set(endpoints());
    const nowMs = clock.monotonicMs();
    for (const [endpoint, connection] of connections) {
      const idle = connection.busy === 0 && nowMs - connection.usedMs > UNLISTED_MS;
      if (idle && !listed.has(endpoint)) drop(endpoint, connection);
    }
  };
  const connect = async (endpoint: string): Promise<{ connection: Connection; origin: httpsJson.Origin }> => {
    if (closed.signal.aborted) throw closedError();
    const current = await tls();
    if (endpoint.startsWith('https:') && current === undefined) throw noCertificate(endpoint);
    if (!isSame(material, current)) {
      material = current;
      for (const [other, connection] of [...connections]) drop(other, connection);
    }
    prune();
    let connection = connections.get(endpoint);
    if (connection === undefined) {
      connection = { origin: open(endpoint, current, callMs()), usedMs: 0, busy: 0 };
      connections.set(endpoint, connection);
    }
    connection.usedMs = clock.monotonicMs();
    try {
      return { connection, origin: await connection.origin };
    } catch (cause) {
      drop(endpoint, connection);
      throw new EtcdError({
        code: 'etcd.permission',
        message: 'the certificate files or the endpoint of etcd are not usable',
        evidence: `${endpoint}: ${(cause as Error).message}`,
        cause,
        elsewhere: 'any',
      });
    }
  };
  const check = (answer: Fields, endpoint: string): Fields => {
    const wanted = clusterId?.();
    if (wanted === undefined || answer.header === undefined) return answer;
    const { clusterId: found } = headerOf(answer);
    if (found !== wanted) throw foreign(endpoint, wanted, found);
    return answer;
  };

  return {
    post: async (endpoint, path, body, { timeoutMs: limitMs, leader, parse }) => {
      const { connection, origin } = await connect(endpoint);
      connection.busy += 1;
      try {
        const { status, text } = await origin.post(path, body, {
          timeoutMs: limitMs,
          maxBytes: ANSWER_BYTES,
          headers: headersOf(leader),
          signal: closed.signal,
        });
        if (status !== 200) throw refusalOf(status, text, endpoint);
        return parse(check(parseAnswer(text), endpoint));
      } catch (cause) {
        throw asEtcdError(cause, endpoint);
      } finally {
        connection.busy -= 1;
        connection.usedMs = clock.monotonicMs();
      }
    },
    stream: async function* (endpoint, path, body, { openMs, idleMs, leader, signal, parse }) {
      const { connection, origin } = await connect(endpoint);
      connection.busy += 1;
      try {
        const lines = origin.lines(path, body, {
          openMs,
          idleMs,
          maxLineBytes: ANSWER_BYTES,
          headers: headersOf(leader),
          signal: AbortSignal.any([signal, closed.signal]),
        });
        for await (const line of lines) {
          if (line.trim() !== '') yield parse(check(unwrap(line, endpoint), endpoint));
        }
      } catch (cause) {
        throw asEtcdError(cause, endpoint);
      } finally {
        connection.busy -= 1;
        connection.usedMs = clock.monotonicMs();
      }
    },
    close: () => {
      closed.abort();
      for (const [endpoint, connection] of [...connections]) drop(endpoint, connection, 0);
    },
  };
}

/** An error in a stream comes as a line of its own. */
function unwrap(line: string, endpoint: string): Fields {
  const answer = parseAnswer(line);
  if (answer.error !== undefined) throw refusalOf(200, line, endpoint);
  return resultOf(answer);
}

async function open(
  endpoint: string,
  tls: TlsMaterial | undefined,
  timeoutMs: number,
): Promise<httpsJson.Origin> {
  return httpsJson.openOrigin(endpoint, { tls, connectMs: connectLimit(timeoutMs) });
}

/** The gateway passes `Grpc-Metadata-*` on; etcd reads `hasleader` (rpctypes.MetadataRequireLeaderKey). */
function headersOf(leader: boolean): Record<string, string> {
  return leader ? { 'grpc-metadata-hasleader': 'true' } : {};
}

function isSame(a: TlsMaterial | undefined, b: TlsMaterial | undefined): boolean {
  return a === b || (a?.ca === b?.ca && a?.certificate === b?.certificate && a?.key === b?.key);
}

function asEtcdError(cause: unknown, endpoint: string): unknown {
  if (cause instanceof httpsJson.HttpsFailure) {
    if (cause.status !== undefined) return refusalOf(cause.status, cause.message, endpoint);
    return failureOf(cause, endpoint);
  }
  return cause instanceof BadAnswer ? badAnswer(cause, endpoint) : cause;
}

function closedError(): EtcdError {
  return new EtcdError({ code: 'etcd.unreachable', message: 'the client of etcd has been closed' });
}

function noCertificate(endpoint: string): EtcdError {
  return new EtcdError({
    code: 'etcd.unreachable',
    message: 'there are no certificates for etcd yet',
    evidence: endpoint,
  });
}

function foreign(endpoint: string, wanted: string, found: string): EtcdError {
  return new EtcdError({
    code: 'etcd.rejected',
    message: 'another cluster answers at this address',
    evidence: `${endpoint}: cluster ${found}, expected ${wanted}`,
    outcomeUnknown: true,
    elsewhere: 'reads',
  });
}
