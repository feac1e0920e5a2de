import * as answers from './answers.ts';
import { createFailover } from './failover.ts';
import { limitOf } from './limit.ts';
import * as requests from './requests.ts';
import { takeSnapshot } from './snapshot.ts';
import { createTransport } from './transport.ts';
import { type EtcdClient, type EtcdClientOptions, EtcdError } from './types.ts';
import { watch } from './watch.ts';

/** Rewriting 2 GiB on a slow disk. */
const DEFRAGMENT_MS = 120_000;

/**
 * A client of etcd's JSON gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/), for 3.4 and 3.5.
 * Every call ends within `timeoutMs`, but for watches, snapshots and defragmentations.
 */
export function createEtcdClient(options: EtcdClientOptions): EtcdClient {
  const callMs = limitOf(options.timeoutMs);
  const transport = createTransport(options);
  const failover = createFailover(options.endpoints, callMs);

  const call = <T>(kind: 'read' | 'write', path: string, body: unknown, parse: Parse<T>, extra = LEADER) =>
    failover.run(kind, (endpoint, limitMs) =>
      transport.post(endpoint, path, body, { ...extra, parse, timeoutMs: limitMs }),
    );
  const read = <T>(path: string, body: unknown, parse: Parse<T>, extra = LEADER) =>
    call('read', path, body, parse, extra);
  const write = <T>(path: string, body: unknown, parse: Parse<T>) => call('write', path, body, parse);
  const at = <T>(endpoint: string, path: string, body: unknown, parse: Parse<T>, limitMs = callMs()) =>
    transport.post(endpoint, path, body, { parse, timeoutMs: limitMs, leader: false });
  const revision = (answer: answers.Fields) => ({ revision: answers.headerOf(answer).revision });
  const done: Parse<void> = (answer) => void answers.headerOf(answer);
  const linearizable = (endpoint: string, limitMs: number) =>
    transport.post(endpoint, '/v3/kv/range', requests.rangeRequest('\0', { keysOnly: true }), {
      parse: answers.rangeOf,
      leader: true,
      timeoutMs: limitMs,
    });

  return {
    range: (key, range = {}) =>
      read('/v3/kv/range', requests.rangeRequest(key, range), answers.rangeOf, {
        leader: !range.serializable,
      }),
    put: (key, value, { lease } = {}) =>
      write('/v3/kv/put', requests.putRequest(key, value, lease), revision),
    delete: (key, { prefix } = {}) =>
      write('/v3/kv/deleterange', requests.deleteRequest(key, prefix), (answer) => ({
        deleted: answers.deletedOf(answer),
        ...revision(answer),
      })),
    txn: (txn) =>
      call(requests.isReadOnly(txn) ? 'read' : 'write', '/v3/kv/txn', requests.txnRequest(txn), (answer) =>
        answers.txnOf(answer, { success: txn.success, failure: txn.failure ?? [] }),
      ),

    grantLease: (ttlSeconds) =>
      write('/v3/lease/grant', { TTL: String(Math.ceil(ttlSeconds)) }, answers.leaseOf),

    watch: (key, watching, signal) => watch({ transport, failover, callMs }, key, watching, signal),

    members: ({ serializable = false } = {}) =>
      failover.run('read', async (endpoint, limitMs) => {
        // 3.4 answers from what the member knows: a linearizable read makes sure that this is the newest.
        if (!serializable) await linearizable(endpoint, limitMs);
        return at(endpoint, '/v3/cluster/member/list', {}, answers.membersOf, limitMs);
      }),
    addMember: (peerURLs, isLearner) =>
      write('/v3/cluster/member/add', { peerURLs, isLearner }, answers.addedOf),
    removeMember: (ID) => write('/v3/cluster/member/remove', { ID }, done),
    promoteMember: (ID) => write('/v3/cluster/member/promote', { ID }, done),
    updateMember: (ID, peerURLs) => write('/v3/cluster/member/update', { ID, peerURLs }, done),

    status: (endpoint) => at(endpoint, '/v3/maintenance/status', {}, answers.statusOf),
    alarms: () => read('/v3/maintenance/alarm', { action: 'GET' }, answers.alarmsOf),
    // Answers about alarms come without a header.
    disarm: (memberID, alarm) =>
      write('/v3/maintenance/alarm', { action: 'DEACTIVATE', memberID, alarm }, () => undefined),
    compact: async (upTo) => {
      try {
        await write('/v3/kv/compaction', { revision: upTo, physical: false }, done);
      } catch (error) {
        if (!(error instanceof EtcdError) || error.code !== 'etcd.compacted') throw error;
      }
    },
    defragment: (endpoint) => at(endpoint, '/v3/maintenance/defragment', {}, () => undefined, DEFRAGMENT_MS),
    snapshot: (endpoint, file, signal) => takeSnapshot(transport, endpoint, file, signal),
    health: async (endpoint) => {
      try {
        await linearizable(endpoint, callMs());
        return true;
      } catch {
        return false;
      }
    },
    close: async () => transport.close(),
  };
}

type Parse<T> = (answer: answers.Fields) => T;

const LEADER = { leader: true };
