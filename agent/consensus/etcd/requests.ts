import type { Compare, Op, RangeOptions, Txn } from './types.ts';

/**
 * Requests as etcd's JSON gateway takes them: bytes in base64, 64-bit numbers as decimal strings. Names are
 * those of https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/.
 */

export function rangeRequest(key: string, options: RangeOptions = {}): Record<string, unknown> {
  return {
    ...keys(key, options.prefix),
    ...(options.serializable && { serializable: true }),
    ...(options.revision !== undefined && { revision: options.revision }),
    ...(options.limit !== undefined && { limit: String(options.limit) }),
    ...(options.keysOnly && { keys_only: true }),
  };
}

export function putRequest(key: string, value: string, lease?: string): Record<string, unknown> {
  return { key: encode(key), value: encode(value), ...(lease !== undefined && { lease }) };
}

export function deleteRequest(key: string, prefix?: boolean): Record<string, unknown> {
  return keys(key, prefix);
}

export function txnRequest({ compare, success, failure = [] }: Txn): Record<string, unknown> {
  return {
    compare: compare.map(compareOf),
    success: success.map(operationOf),
    failure: failure.map(operationOf),
  };
}

/** @param fromRevision the first revision wanted */
export function watchRequest(key: string, prefix: boolean, fromRevision: string): Record<string, unknown> {
  return {
    create_request: { ...keys(key, prefix), start_revision: fromRevision, progress_notify: true },
  };
}

/** The newest change of what a watch sees: to find out whether the watch has missed one. */
export function newestRequest(key: string, prefix: boolean): Record<string, unknown> {
  return {
    ...keys(key, prefix),
    limit: '1',
    keys_only: true,
    sort_order: 'DESCEND',
    sort_target: 'MOD',
  };
}

/** A transaction without an operation that changes anything may be repeated at will. */
export function isReadOnly({ success, failure = [] }: Txn): boolean {
  return [...success, ...failure].every(({ kind }) => kind === 'range');
}

/**
 * The first key behind all keys with this prefix, as base64. etcd: the prefix with its last byte that is not
 * 0xff raised by one; a zero byte stands for "to the end".
 */
export function endOfPrefix(prefix: string): string {
  const bytes = Buffer.from(prefix, 'utf8');
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    const byte = bytes[at] ?? 0xff;
    if (byte === 0xff) continue;
    const end = Buffer.from(bytes.subarray(0, at + 1));
    end[at] = byte + 1;
    return end.toString('base64');
  }
  return ZERO;
}

const ZERO = Buffer.of(0).toString('base64');

function keys(key: string, prefix: boolean | undefined): Record<string, unknown> {
  if (!prefix) return { key: encode(key) };
  return { key: key === '' ? ZERO : encode(key), range_end: endOfPrefix(key) };
}

const TARGETS = {
  create: ['CREATE', 'create_revision'],
  mod: ['MOD', 'mod_revision'],
  version: ['VERSION', 'version'],
  lease: ['LEASE', 'lease'],
} as const;

const RESULTS = { '=': 'EQUAL', '!=': 'NOT_EQUAL', '<': 'LESS', '>': 'GREATER' } as const;

function compareOf({ key, target, result = '=', value }: Compare): Record<string, unknown> {
  const base = { key: encode(key), result: RESULTS[result] };
  if (target === 'value') return { ...base, target: 'VALUE', value: encode(value) };
  const [name, field] = TARGETS[target];
  return { ...base, target: name, [field]: value };
}

function operationOf(op: Op): Record<string, unknown> {
  if (op.kind === 'put') return { request_put: putRequest(op.key, op.value, op.lease) };
  if (op.kind === 'delete') return { request_delete_range: deleteRequest(op.key, op.prefix) };
  const { key, kind: _, ...options } = op;
  return { request_range: rangeRequest(key, options) };
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
