import * as dns from 'node:dns/promises';

export interface ServiceTarget {
  readonly host: string;
  readonly port: number;
}

/**
 * All IP addresses of a host name, by the system's rules (/etc/hosts, then DNS), without a duplicate.
 *
 * @throws an Error whose `code` says why, `ENOTFOUND`, `EAI_AGAIN`, `ETIMEDOUT`
 */
export async function addressesOf(host: string, timeoutMs: number): Promise<string[]> {
  const found = await limited(dns.lookup(host, { all: true }), host, timeoutMs);
  return [...new Set(found.map(({ address }) => address))];
}

/** The targets of a name's SRV records (RFC 2782), best priority first. Errors as {@link addressesOf}. */
export async function serviceTargets(name: string, timeoutMs: number): Promise<ServiceTarget[]> {
  const resolver = new dns.Resolver({ timeout: Math.ceil(timeoutMs / 3), tries: 2 });
  try {
    const found = await limited(resolver.resolveSrv(name), name, timeoutMs);
    return found
      .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
      .map(({ name: host, port }) => ({ host, port }));
  } finally {
    resolver.cancel();
  }
}

async function limited<T>(work: Promise<T>, name: string, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error: NodeJS.ErrnoException = new Error(`${name}: no answer in ${timeoutMs / 1000} s`);
      error.code = 'ETIMEDOUT';
      reject(error);
    }, timeoutMs);
    timer.unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
