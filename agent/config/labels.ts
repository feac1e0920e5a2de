import * as z from 'zod';

/**
 * Labels of a node, `disk: ssd`, and the constraints that a workload puts on them. Keys, values and the four kinds of a
 * constraint are those of Kubernetes' labels and selectors, without prefixes.
 */
export type Labels = Readonly<Record<string, string>>;

/** An operator's, over those of the settings; null takes one away. */
export type LabelChanges = Readonly<Record<string, string | null>>;

/** They stand beside a node's card in a value of the registry. */
export const MOST_LABELS = 64;
export const MOST_LABEL_BYTES = 2_000;
const KEY = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const KEY_WORDS = 'expected lower-case letters, digits and inner . _ -, at most 63';
const VALUE_WORDS = 'expected letters, digits and inner . _ -, at most 63, or nothing';

const key = z.string().regex(KEY, KEY_WORDS);
const value = z
  .string('expected a value; an empty one is gpu: "", or gpu= in a variable')
  .regex(VALUE, VALUE_WORDS);
const few = [
  (labels: object) =>
    Object.keys(labels).length <= MOST_LABELS && JSON.stringify(labels).length <= MOST_LABEL_BYTES,
  `expected at most ${MOST_LABELS} labels, of ${MOST_LABEL_BYTES} bytes together`,
] as const;

export const labelsSchema = z.record(key, value).refine(...few);
export const labelChangesSchema = z.record(key, value.nullable()).refine(...few);

/** Pure. */
export function changedLabels(labels: Labels, changes: LabelChanges = {}): Labels {
  const all = Object.entries({ ...labels, ...changes }).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== null));
}

interface Constraint {
  readonly key: string;
  readonly wants: 'present' | 'absent' | 'equal' | 'other';
  readonly value: string;
}

/** `disk=ssd`, `disk!=hdd` (which a node without the label meets), `gpu`, `!gpu`; all of them, separated by commas. */
export const whereSchema = z
  .string()
  .max(500, 'expected at most 500 characters')
  .refine(
    (text) => partsOf(text).every((part) => constraintOf(part) !== undefined),
    'expected disk=ssd, disk!=hdd, gpu or !gpu, separated by commas',
  );

/**
 * What a node lacks for the constraints, in words; undefined when it meets all of them. Pure.
 *
 * @param where valid by {@link whereSchema}: what is not is met by no node
 */
export function unmet(where: string, labels: Labels): string | undefined {
  for (const part of partsOf(where)) {
    const constraint = constraintOf(part);
    const found = constraint && Object.hasOwn(labels, constraint.key) ? labels[constraint.key] : undefined;
    if (constraint !== undefined && meets(constraint, found)) continue;
    const has = found === undefined ? 'has no such label' : `has ${constraint?.key}=${found}`;
    return `it wants ${part}, and this node ${has}`;
  }
  return undefined;
}

function meets({ wants, value }: Constraint, found: string | undefined): boolean {
  if (wants === 'present') return found !== undefined;
  if (wants === 'absent') return found === undefined;
  return wants === 'equal' ? found === value : found !== value;
}

function partsOf(where: string): string[] {
  return where.trim() === '' ? [] : where.split(',').map((part) => part.trim());
}

function constraintOf(part: string): Constraint | undefined {
  const [, not = '', key = '', sign, value = ''] =
    /^(!?)\s*([^\s=!]+)\s*(?:(!?=)\s*(\S*))?$/.exec(part) ?? [];
  if (!KEY.test(key) || !VALUE.test(value) || (not !== '' && sign !== undefined)) return undefined;
  if (sign === undefined) return { key, wants: not === '' ? 'present' : 'absent', value };
  return { key, wants: sign === '=' ? 'equal' : 'other', value };
}
