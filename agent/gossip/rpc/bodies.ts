import type { Member } from '../../engine/resources.ts';

/** A member as Serf tells it; since when is for the caller to know. */
export type SerfMember = Omit<Member, 'sinceMs'>;

const MAX_MEMBERS = 10_000;
const STATUSES = ['alive', 'leaving', 'left', 'failed'] as const;

/**
 * The members in an answer of `members` or in a record of a stream; entries that make no sense are left out,
 * since one bad node must not hide the others.
 *
 * @returns undefined when the body is no list of members at all
 */
export function parseMembers(body: unknown): SerfMember[] | undefined {
  const list = field(body, 'Members');
  if (list === null) return [];
  if (!Array.isArray(list) || list.length > MAX_MEMBERS) return undefined;
  return list.map(parseMember).filter((member) => member !== undefined);
}

function parseMember(value: unknown): SerfMember | undefined {
  const id = textOf(field(value, 'Name'), 128);
  const address = addressText(field(value, 'Addr'));
  const port = numberOf(field(value, 'Port'));
  const said = textOf(field(value, 'Status'), 16);
  const status = STATUSES.find((known) => known === said);
  const tags = textMap(field(value, 'Tags'), 512);
  if (!id || address === undefined || port === undefined || port > 65535) return undefined;
  if (status === undefined || tags === undefined) return undefined;
  return { id, address, port, status, tags };
}

/** The name of an event of a stream: `member-join`, `user`, ...; undefined when there is none. */
export function parseEvent(record: unknown): string | undefined {
  return textOf(field(record, 'Event'), 64);
}

/** A line of `monitor`. */
export function parseLog(record: unknown): string | undefined {
  return textOf(field(record, 'Log'), 8_192);
}

/** How many nodes a `join` has reached. */
export function parseJoined(body: unknown): number | undefined {
  return numberOf(field(body, 'Num'));
}

/** Groups of names and values, as `stats` answers. */
export function parseStats(body: unknown): Record<string, Record<string, string>> | undefined {
  if (!isMap(body)) return undefined;
  const result: Record<string, Record<string, string>> = Object.create(null);
  for (const [group, values] of Object.entries(body)) {
    const map = textMap(values, 4_096);
    if (map !== undefined) result[group] = map;
  }
  return result;
}

/** The value below a key of a decoded map; undefined for everything else. */
export function field(value: unknown, key: string): unknown {
  return isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A count or an id: a whole number that is not negative. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** The frames leave texts as bytes. Bad UTF-8 becomes U+FFFD; too long is no text. */
export function textOf(value: unknown, maxBytes: number): string | undefined {
  if (!(value instanceof Uint8Array) || value.length > maxBytes) return undefined;
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8');
}

/**
 * Serf sends addresses as 4 or 16 raw bytes. An IPv4 address in 16 bytes is told as IPv4.
 *
 * Source: net.IP of Go; RFC 5952 for the text.
 */
export function addressText(value: unknown): string | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  if (value.length === 4) return value.join('.');
  if (value.length !== 16) return undefined;
  if (MAPPED.every((byte, index) => value[index] === byte)) return value.slice(12).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((value[2 * index] ?? 0) << 8) | (value[2 * index + 1] ?? 0)).toString(16),
  );
  // The URL parser writes the shortest form.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

function textMap(value: unknown, maxBytes: number): Record<string, string> | undefined {
  const result: Record<string, string> = Object.create(null);
  if (value === null || value === undefined) return { ...result };
  if (!isMap(value)) return undefined;
  for (const [key, entry] of Object.entries(value)) {
    const text = textOf(entry, maxBytes);
    if (text === undefined) return undefined;
    result[key] = text;
  }
  return { ...result };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}
