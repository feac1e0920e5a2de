import type { HttpsFailure } from '../../host/https-json.ts';
import { EtcdError, type EtcdProblem } from './types.ts';

/**
 * From what etcd says to a stable code, and to what the caller may do. The texts are those of
 * etcdserver/api/v3rpc/rpctypes/error.go, alike in 3.4 and 3.5.
 */
export function refusalOf(status: number, text: string, endpoint: string): EtcdError {
  const said = saidIn(text);
  const known = KNOWN.find(([pattern]) => pattern.test(said));
  const [, problem] = known ?? [undefined, status === 401 || status === 403 ? PERMISSION : UNKNOWN];
  return new EtcdError({ ...problem, evidence: `${endpoint}: ${said || `status ${status}`}` });
}

/** No answer at all. @param readOnly then nothing can be unknown about its outcome */
export function failureOf(failure: HttpsFailure, endpoint: string): EtcdError {
  const evidence = `${endpoint}: ${failure.message}`;
  const doubt = { outcomeUnknown: failure.sent, elsewhere: failure.sent ? 'reads' : 'any' } as const;
  if (failure.reason === 'tls') {
    return new EtcdError({
      ...doubt,
      code: 'etcd.permission',
      message: 'etcd and this node do not accept each other’s certificates',
      evidence,
      fix: 'see that the nodes have one cluster key',
      cause: failure,
    });
  }
  if (failure.reason === 'timeout' && failure.sent) {
    return new EtcdError({
      ...doubt,
      code: 'etcd.timeout',
      message: 'etcd did not answer in time',
      evidence,
      cause: failure,
    });
  }
  if (failure.reason === 'too-large') {
    return new EtcdError({
      ...doubt,
      elsewhere: 'none',
      code: 'etcd.rejected',
      message: 'etcd’s answer is too large',
      evidence,
      cause: failure,
    });
  }
  return new EtcdError({
    ...doubt,
    code: 'etcd.unreachable',
    message: 'etcd cannot be reached',
    evidence,
    cause: failure,
  });
}

/** Something answered, but nothing that we understand. */
export function badAnswer(cause: Error, endpoint: string): EtcdError {
  return new EtcdError({
    code: 'etcd.rejected',
    message: 'what answered is not etcd as we know it',
    evidence: `${endpoint}: ${cause.message}`,
    cause,
    outcomeUnknown: true,
    elsewhere: 'reads',
  });
}

function saidIn(text: string): string {
  try {
    const value = JSON.parse(text) as { error?: unknown; message?: unknown } | null;
    const inner = value?.error;
    // A stream wraps it once more: {"error":{"message":...}}.
    const said =
      typeof inner === 'object' && inner !== null
        ? (inner as { message?: unknown }).message
        : (inner ?? value?.message);
    return typeof said === 'string' ? said.slice(0, 300) : '';
  } catch {
    return text.slice(0, 120).replace(/\s+/g, ' ').trim();
  }
}

const UNKNOWN: EtcdProblem = {
  code: 'etcd.rejected',
  message: 'etcd refused the request',
  // The gateway's own failures come without a known text, and some of them after the request was passed on.
  outcomeUnknown: true,
  elsewhere: 'reads',
};

const PERMISSION: EtcdProblem = { code: 'etcd.permission', message: 'etcd does not let us do this' };

/** The first that fits counts. */
const KNOWN: readonly (readonly [RegExp, EtcdProblem])[] = [
  [/has been compacted/, { code: 'etcd.compacted', message: 'etcd has forgotten this revision' }],
  [
    /database space exceeded/,
    {
      code: 'etcd.quota',
      message: 'etcd’s database is full',
      fix: 'delete what is not needed, compact, defragment and disarm the alarm',
    },
  ],
  // "raft proposal dropped": nobody has seen the proposal.
  [
    /no leader|proposal dropped/,
    { code: 'etcd.no-leader', message: 'etcd has no leader now', elsewhere: 'any' },
  ],
  [
    /leader changed|server stopped/,
    {
      code: 'etcd.no-leader',
      message: 'etcd’s leader changed meanwhile',
      outcomeUnknown: true,
      elsewhere: 'reads',
    },
  ],
  [
    /request timed out|deadline exceeded/i,
    {
      code: 'etcd.timeout',
      message: 'etcd could not answer in time',
      outcomeUnknown: true,
      elsewhere: 'reads',
    },
  ],
  [
    /unhealthy cluster|not enough started members/,
    {
      code: 'etcd.unhealthy-cluster',
      message: 'etcd does not change its members while some are not healthy',
    },
  ],
  [
    /in sync with leader/,
    { code: 'etcd.learner-not-ready', message: 'the learner has not caught up with the leader' },
  ],
  [/not supported for learner/, { code: 'etcd.rejected', message: 'this is a learner', elsewhere: 'any' }],
  [
    /lease not found|member not found|key not found/i,
    { code: 'etcd.not-found', message: 'etcd does not know it' },
  ],
  [
    /already exist|already a learner|not a learner|only promote a learner/i,
    { code: 'etcd.member-exists', message: 'etcd has this member already' },
  ],
  [/permission denied|authentication|auth token|user name is empty/i, PERMISSION],
  [/too many requests/, { code: 'etcd.rejected', message: 'etcd has too much to do', elsewhere: 'any' }],
  [
    /connection refused|all SubConns|last connection error/,
    { code: 'etcd.unreachable', message: 'etcd is starting', outcomeUnknown: true, elsewhere: 'reads' },
  ],
  [/^etcdserver: /, { code: 'etcd.rejected', message: 'etcd refused the request' }],
];
