import { request } from 'undici';
import { OperatorError } from '../errors.ts';
import { interrupted } from './process.ts';

function reasonOf(cause: unknown): string {
  const error = cause as NodeJS.ErrnoException;
  return [error.code, error.message].filter(Boolean).join(': ');
}

/**
 * The body of a small document. Follows no redirects.
 *
 * @param limit.timeoutMs for the whole exchange
 * @param limit.bytes a longer body is an error
 * @throws OperatorError `network.unreachable`, `network.status`, `network.too-long`
 */
export async function fetchSmall(
  url: string,
  limit: { readonly timeoutMs: number; readonly bytes: number },
  signal?: AbortSignal,
): Promise<Buffer> {
  const timer = AbortSignal.timeout(limit.timeoutMs);
  try {
    const response = await request(url, {
      signal: signal ? AbortSignal.any([signal, timer]) : timer,
      headersTimeout: limit.timeoutMs,
    });
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of response.body) {
      length += (part as Buffer).length;
      if (length > limit.bytes) throw new Error(`more than ${limit.bytes} bytes`);
      parts.push(part as Buffer);
    }
    if (response.statusCode !== 200) {
      throw new OperatorError({
        code: 'network.status',
        exit: 'network',
        message: `${url} answers with status ${response.statusCode}`,
      });
    }
    return Buffer.concat(parts);
  } catch (cause) {
    if (signal?.aborted) throw interrupted(cause);
    if (cause instanceof OperatorError) throw cause;
    throw new OperatorError({
      code: 'network.unreachable',
      exit: 'network',
      message: `${url} cannot be reached`,
      evidence: timer.aborted ? `no answer within ${limit.timeoutMs} ms` : reasonOf(cause),
      cause,
    });
  }
}
