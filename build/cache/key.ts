import { createHash } from 'node:crypto';

/**
 * The key of whatever a result was made from: the sha256 of its canonical JSON. The order of an object's keys and
 * keys without a value make no difference; the order of a list does.
 *
 * @throws Error for what JSON would lose: functions, symbols, NaN, dates, maps and other objects with a class
 */
export function keyOf(inputs: unknown): string {
  return createHash('sha256').update(canonical(inputs)).digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new Error(`no key can be made of a ${value.constructor?.name ?? 'strange object'}`);
    }
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    entries.sort(([one], [other]) => (one < other ? -1 : 1));
    return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`;
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  throw new Error(`no key can be made of ${String(value)}`);
}
