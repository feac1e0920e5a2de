import { request } from 'undici';
import { OperatorError } from '../errors.ts';

/**
 * The status code of a HEAD request. Redirects are not followed: the caller judges them.
 *
 * @param timeoutMs for the whole exchange
 * @throws OperatorError `network.unreachable` with the reason
 */
export async function headStatus(url: string, timeoutMs: number, signal?: AbortSignal): Promise<number> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await request(url, {
      method: 'HEAD',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      headersTimeout: timeoutMs,
    });
    await response.body.dump();
    return response.statusCode;
  } catch (cause) {
    throw new OperatorError({
      code: 'network.unreachable',
      exit: 'network',
      message: `${url} cannot be reached`,
      evidence: limit.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(cause),
      cause,
    });
  }
}

function reasonOf(cause: unknown): string {
  const error = cause as NodeJS.ErrnoException;
  return [error.code, error.message].filter(Boolean).join(': ');
}
