import type {
  EtcdAlarm,
  EtcdMember,
  EtcdStatus,
  KeyValue,
  Op,
  OpResult,
  RangeResult,
  TxnResult,
  WatchEvent,
} from './types.ts';

/**
 * Answers of etcd's JSON gateway, checked before use. It leaves out what is zero, false or empty, so an absent
 * field has its zero; a field of a wrong kind makes the whole answer bad.
 */

/** What answered is not etcd, or not one that we know. */
export class BadAnswer extends Error {}

export type Fields = Readonly<Record<string, unknown>>;

/** @throws BadAnswer */
export function parseAnswer(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BadAnswer('the answer is not JSON', { cause });
  }
  return object(value, 'the answer');
}

/** Streamed answers are wrapped. @throws BadAnswer */
export function resultOf(line: Fields): Fields {
  return object(line.result, 'result');
}

/** @throws BadAnswer */
export function headerOf(answer: Fields): { clusterId: string; memberId: string; revision: string } {
  const header = object(answer.header, 'header');
  return {
    clusterId: number64(header, 'cluster_id'),
    memberId: number64(header, 'member_id'),
    revision: number64(header, 'revision'),
  };
}

/** @throws BadAnswer */
export function rangeOf(answer: Fields): RangeResult {
  return {
    kvs: list(answer, 'kvs').map(keyValueOf),
    revision: headerOf(answer).revision,
    more: boolean(answer, 'more'),
  };
}

/** The greatest mod revision among the keys. @throws BadAnswer */
export function newestIn(answer: Fields): bigint {
  return rangeOf(answer).kvs.reduce((newest, { modRevision }) => {
    const revision = BigInt(modRevision);
    return revision > newest ? revision : newest;
  }, 0n);
}

/** @throws BadAnswer */
export function deletedOf(answer: Fields): number {
  return small(answer, 'deleted');
}

/**
 * @param branches operations as they were asked for, of success and of failure
 * @throws BadAnswer also when the results are not those of the operations
 */
export function txnOf(
  answer: Fields,
  branches: { success: readonly Op[]; failure: readonly Op[] },
): TxnResult {
  const succeeded = boolean(answer, 'succeeded');
  const responses = list(answer, 'responses');
  const asked = succeeded ? branches.success : branches.failure;
  if (responses.length !== asked.length) {
    throw new BadAnswer(`${responses.length} results for ${asked.length} operations`);
  }
  return {
    succeeded,
    revision: headerOf(answer).revision,
    responses: asked.map((op, at) => operationResultOf(op, object(responses[at], 'responses'))),
  };
}

function operationResultOf(op: Op, result: Fields): OpResult {
  if (op.kind === 'put') {
    object(result.response_put, 'response_put');
    return { kind: 'put' };
  }
  if (op.kind === 'delete') {
    return {
      kind: 'delete',
      deleted: deletedOf(object(result.response_delete_range, 'response_delete_range')),
    };
  }
  const range = object(result.response_range, 'response_range');
  return { kind: 'range', kvs: list(range, 'kvs').map(keyValueOf), more: boolean(range, 'more') };
}

/** @throws BadAnswer */
export function leaseOf(answer: Fields): { id: string; ttl: number } {
  return { id: number64(answer, 'ID'), ttl: small(answer, 'TTL') };
}

/** @throws BadAnswer */
export function membersOf(answer: Fields): EtcdMember[] {
  return list(answer, 'members').map(memberOf);
}

/** @throws BadAnswer */
export function addedOf(answer: Fields): { id: string; members: EtcdMember[] } {
  return { id: number64(object(answer.member, 'member'), 'ID'), members: membersOf(answer) };
}

function memberOf(value: unknown): EtcdMember {
  const member = object(value, 'members');
  return {
    id: number64(member, 'ID'),
    name: text(member, 'name'),
    peerUrls: list(member, 'peerURLs').map((url) => string(url, 'peerURLs')),
    clientUrls: list(member, 'clientURLs').map((url) => string(url, 'clientURLs')),
    learner: boolean(member, 'isLearner'),
  };
}

/** @throws BadAnswer */
export function statusOf(answer: Fields): EtcdStatus {
  const { clusterId, memberId } = headerOf(answer);
  return {
    version: text(answer, 'version'),
    dbSize: small(answer, 'dbSize'),
    dbSizeInUse: small(answer, 'dbSizeInUse'),
    leader: number64(answer, 'leader'),
    memberId,
    clusterId,
    raftIndex: number64(answer, 'raftIndex'),
    raftTerm: number64(answer, 'raftTerm'),
    learner: boolean(answer, 'isLearner'),
    errors: list(answer, 'errors').map((error) => string(error, 'errors')),
  };
}

/** @throws BadAnswer */
export function alarmsOf(answer: Fields): EtcdAlarm[] {
  return list(answer, 'alarms').map((value) => {
    const alarm = object(value, 'alarms');
    return { memberId: number64(alarm, 'memberID'), alarm: text(alarm, 'alarm') || 'NONE' };
  });
}

type WatchAnswer =
  | { readonly kind: 'created'; readonly revision: string }
  | { readonly kind: 'events'; readonly events: readonly WatchEvent[]; readonly revision: string }
  | { readonly kind: 'compacted' }
  | { readonly kind: 'canceled'; readonly reason: string };

/** @throws BadAnswer */
export function watchOf(result: Fields): WatchAnswer {
  if (number64(result, 'compact_revision') !== '0') return { kind: 'compacted' };
  if (boolean(result, 'canceled')) return { kind: 'canceled', reason: text(result, 'cancel_reason') };
  const { revision } = headerOf(result);
  if (boolean(result, 'created')) return { kind: 'created', revision };
  return { kind: 'events', events: list(result, 'events').map(eventOf), revision };
}

function eventOf(value: unknown): WatchEvent {
  const event = object(value, 'events');
  const type = text(event, 'type') || 'PUT';
  if (type !== 'PUT' && type !== 'DELETE') throw new BadAnswer('an event of an unknown type');
  return { type: type === 'PUT' ? 'put' : 'delete', kv: keyValueOf(event.kv) };
}

/** A piece of a snapshot. @throws BadAnswer */
export function blobOf(result: Fields): Buffer {
  return bytes(result.blob ?? '', 'blob');
}

function keyValueOf(value: unknown): KeyValue {
  const kv = object(value, 'kvs');
  return {
    key: decode(kv.key ?? '', 'key'),
    value: decode(kv.value ?? '', 'value'),
    createRevision: number64(kv, 'create_revision'),
    modRevision: number64(kv, 'mod_revision'),
    version: number64(kv, 'version'),
    lease: number64(kv, 'lease'),
  };
}

function object(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadAnswer(`${name} is not an object`);
  }
  return value as Fields;
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = own(fields, name) ?? [];
  if (!Array.isArray(value)) throw new BadAnswer(`${name} is not a list`);
  return value;
}

function boolean(fields: Fields, name: string): boolean {
  const value = own(fields, name) ?? false;
  if (typeof value !== 'boolean') throw new BadAnswer(`${name} is not true or false`);
  return value;
}

function text(fields: Fields, name: string): string {
  return string(own(fields, name) ?? '', name);
}

function string(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new BadAnswer(`${name} is not a text`);
  return value;
}

/** A 64-bit number as decimal text; one that is small may come as a JSON number. */
function number64(fields: Fields, name: string): string {
  const value = own(fields, name) ?? '0';
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  throw new BadAnswer(`${name} is not a number`);
}

function small(fields: Fields, name: string): number {
  const value = Number(number64(fields, name));
  if (!Number.isSafeInteger(value)) throw new BadAnswer(`${name} is too large`);
  return value;
}

function decode(value: unknown, name: string): string {
  return bytes(value, name).toString('utf8');
}

function bytes(value: unknown, name: string): Buffer {
  const encoded = string(value, name);
  if (encoded.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) {
    throw new BadAnswer(`${name} is not base64`);
  }
  return Buffer.from(encoded, 'base64');
}

/** Never what every object inherits, whatever the answer is called. */
function own(fields: Fields, name: string): unknown {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return value === null ? undefined : value;
}
