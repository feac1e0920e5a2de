import type { EtcdClient, KeyValue } from '../consensus/etcd/types.ts';
import { isExpected } from '../errors.ts';
import type { Log } from '../log.ts';
import { KEYS } from '../registry/keys.ts';
import { holderRecord, parseValue } from '../registry/records.ts';
import type { Time } from './deadline.ts';
import type { SeenKey } from './lease.ts';

/**
 * Follow the keys of all roles until the signal. A role whose key is absent is told as undefined.
 *
 * @param see called for each role whose key is new or changed, for all of `roles` after a reset
 */
export async function followRoles(
  client: Pick<EtcdClient, 'watch'>,
  roles: readonly string[],
  time: Time,
  signal: AbortSignal,
  see: (role: string, key: SeenKey | undefined) => void,
  log: Pick<Log, 'error'>,
): Promise<void> {
  const prefix = KEYS.role('');
  const known = new Set(roles);
  while (!signal.aborted) {
    try {
      for await (const news of client.watch(prefix, { prefix: true }, signal)) {
        if (news.kind === 'reset') {
          for (const role of roles) see(role, seenKey(news.kvs.find(({ key }) => key === prefix + role)));
        } else {
          for (const { type, kv } of news.events) {
            const role = kv.key.slice(prefix.length);
            if (known.has(role)) see(role, type === 'put' ? seenKey(kv) : undefined);
          }
        }
      }
    } catch (error) {
      // The watch mends itself; should it not, begin again.
      if (!isExpected(error, 'etcd.'))
        log.error('a fault of ours in following roles', { reason: String(error) });
    }
    await time.pause(1_000, signal);
  }
}

/** @throws AgentError when etcd does not answer */
export async function readRole(
  client: Pick<EtcdClient, 'range'>,
  role: string,
): Promise<SeenKey | undefined> {
  return seenKey((await client.range(KEYS.role(role))).kvs[0]);
}

/** A key with a value that we cannot read is held by somebody all the same. Pure. */
function seenKey(kv: KeyValue | undefined): SeenKey | undefined {
  if (kv === undefined) return undefined;
  const record = parseValue(holderRecord, kv.value);
  return {
    id: record?.id ?? 'unknown',
    attempt: record?.attempt,
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    leaseMs: record?.lease === undefined ? undefined : record.lease * 1000,
  };
}
