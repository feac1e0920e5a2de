import { request } from 'undici';
import { OperatorError } from '../errors.ts';
import { interrupted } from './process.ts';
import { dispatcherFor, proxyTo } from './proxy.ts';
import { type ChosenProxy, withoutSecret } from './proxy-choice.ts';

/** Of one document, as apt counts them. */
const MOST_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

interface Limit {
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** A longer body is an error. */
  readonly bytes: number;
}

/**
 * The body of a small document, through the proxy that this machine uses for it. Follows redirects as apt does: but
 * never from https to http.
 *
 * @throws OperatorError `network.unreachable`, `network.status`, `network.redirect`, `proxy.*`
 */
export async function fetchSmall(url: string, limit: Limit, signal?: AbortSignal): Promise<Buffer> {
  const timer = AbortSignal.timeout(limit.timeoutMs);
  const end = signal ? AbortSignal.any([signal, timer]) : timer;
  let at = new URL(url);
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const proxy = await proxyTo(at);
    try {
      const { body, next } = await ask(at, proxy, limit, end);
      if (next === undefined) return body;
      at = next;
    } catch (cause) {
      if (signal?.aborted) throw interrupted(cause);
      if (cause instanceof OperatorError) throw cause;
      throw unreachable(at, proxy, timer.aborted ? `no answer within ${limit.timeoutMs} ms` : cause);
    }
  }
  throw redirect(at, `more than ${MOST_REDIRECTS} redirects, the last one to ${at.href}`);
}

async function ask(url: URL, proxy: ChosenProxy | undefined, limit: Limit, signal: AbortSignal) {
  const dispatcher = dispatcherFor(proxy);
  try {
    const response = await request(url, { dispatcher, signal, headersTimeout: limit.timeoutMs });
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of response.body) {
      length += (part as Buffer).length;
      if (length > limit.bytes) throw new Error(`more than ${limit.bytes} bytes`);
      parts.push(part as Buffer);
    }
    const { statusCode, headers } = response;
    if (statusCode === 200) return { body: Buffer.concat(parts), next: undefined };
    if (statusCode === 407 && proxy) throw refusedByProxy(proxy);
    if (!REDIRECTS.includes(statusCode)) throw status(url, proxy, statusCode);
    return { body: Buffer.alloc(0), next: target(url, String(headers.location ?? '')) };
  } finally {
    await dispatcher.destroy();
  }
}

/** @throws OperatorError `network.redirect` */
function target(from: URL, location: string): URL {
  const to = location === '' ? null : URL.parse(location, from);
  if (to === null) throw redirect(from, 'the answer does not say where to');
  const isAllowed = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!isAllowed)
    throw redirect(from, `to ${to.href}: only http and https are followed, and never from https to http`);
  return to;
}

function redirect(url: URL, evidence: string): OperatorError {
  return new OperatorError({
    code: 'network.redirect',
    exit: 'network',
    message: `${withoutSecret(url)} redirects to where it cannot be followed`,
    evidence,
  });
}

function status(url: URL, proxy: ChosenProxy | undefined, code: number): OperatorError {
  return new OperatorError({
    code: 'network.status',
    exit: 'network',
    message: `${withoutSecret(url)} answers with status ${code}`,
    evidence: through(proxy),
  });
}

function refusedByProxy(proxy: ChosenProxy): OperatorError {
  return new OperatorError({
    code: 'proxy.credentials',
    exit: 'network',
    message: `the proxy ${withoutSecret(proxy.url)} asks for another name and password`,
    evidence: `it was set by ${proxy.setBy}`,
    fix: `put them into that setting: http://USER:PASSWORD@${proxy.url.host}`,
  });
}

function unreachable(url: URL, proxy: ChosenProxy | undefined, cause: unknown): OperatorError {
  if (proxy && /\b407\b/.test(String(cause))) return refusedByProxy(proxy);
  const reason = typeof cause === 'string' ? cause : reasonOf(cause);
  return new OperatorError({
    code: 'network.unreachable',
    exit: 'network',
    message: `${withoutSecret(url)} cannot be reached`,
    evidence: [reason, through(proxy)].filter(Boolean).join('\n'),
    cause,
  });
}

function through(proxy: ChosenProxy | undefined): string | undefined {
  return proxy && `asked through the proxy ${withoutSecret(proxy.url)}, which was set by ${proxy.setBy}`;
}

function reasonOf(cause: unknown): string {
  const error = cause as NodeJS.ErrnoException;
  return [error.code, error.message].filter(Boolean).join(': ');
}
