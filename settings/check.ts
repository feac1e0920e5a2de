/** A YAML document against its schema: settings, or every mistake at once with its place. Pure. */
import * as z from 'zod';
import { type Mistake, mistakesOf, type PlacedMistake, valueAt } from './mistakes.ts';
import type { YamlDocument } from './yaml.ts';

interface CheckOptions {
  readonly showFound: boolean;
  /** What only several values together get wrong. It passes over what has a mistake of its own. */
  readonly more?: (value: unknown) => readonly Mistake[];
  /** Not for what another program reads: it takes a number without quotes for a number. */
  readonly asWritten?: boolean;
  /** Other words for a mistake of the schema. */
  readonly say?: (mistake: Mistake) => Mistake;
}

export type Checked<T> =
  | { readonly settings: T; readonly value: unknown; readonly mistakes?: undefined }
  | { readonly settings?: undefined; readonly mistakes: readonly PlacedMistake[] };

export function checkDocument<S extends z.ZodType>(
  document: YamlDocument,
  schema: S,
  options: CheckOptions,
): Checked<z.output<S>> {
  if (document.value === undefined) return { mistakes: document.mistakes };
  const plain = withoutEmpty(document.value, branches(schema));
  const value = options.asWritten === false ? plain : withStrings(plain, document, schema);
  const result = schema.safeParse(value);
  const keysAt = (path: readonly PropertyKey[]) => keysBelow(schema, path);
  const own = result.success
    ? []
    : mistakesOf(result.error.issues, value, { keysAt, showFound: options.showFound }).map(
        options.say ?? ((mistake) => mistake),
      );
  const mistakes = [
    ...document.mistakes,
    ...[...own, ...(options.more?.(value) ?? [])].map((mistake) => ({
      ...mistake,
      place: document.placeOf(mistake.path),
    })),
  ].sort((one, other) => one.place.line - other.place.line || one.place.column - other.place.column);
  if (result.success && mistakes.length === 0) return { settings: result.data, value };
  return { mistakes };
}

/**
 * A key with nothing behind it (all lines below commented out) sets nothing. Where the keys are the operator's own words
 * it was meant to say something: there it stays, and is a mistake.
 */
function withoutEmpty(value: unknown, schemas: readonly z.ZodType[]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value ?? {};
  const areOwnWords = schemas.some(
    (one) => one instanceof z.ZodRecord && one.valueType instanceof z.ZodString,
  );
  const kept = Object.entries(value).filter(([, inner]) => areOwnWords || (inner ?? undefined) !== undefined);
  return Object.fromEntries(
    kept.map(([key, inner]) => [
      key,
      typeof inner === 'object' && inner !== null ? withoutEmpty(inner, below(schemas, key)) : inner,
    ]),
  );
}

/**
 * Where a string is expected, what stands there without quotes is one: the serial 0123 is no number, and nobody
 * means 1e5 or true as anything else either.
 */
function withStrings(value: unknown, document: YamlDocument, schema: z.ZodType): unknown {
  const result = schema.safeParse(value);
  if (result.success) return value;
  const paths = stringsWanted(result.error.issues, []).filter((path) =>
    ['number', 'boolean', 'bigint'].includes(typeof valueAt(value, path)),
  );
  return paths.reduce((whole, path) => {
    const written = document.writtenAt(path);
    return written === undefined ? whole : replaced(whole, path, written);
  }, value);
}

function stringsWanted(
  issues: readonly z.core.$ZodIssue[],
  above: readonly PropertyKey[],
): (readonly PropertyKey[])[] {
  return issues.flatMap((issue) => {
    const path = [...above, ...issue.path];
    if (issue.code === 'invalid_union') return issue.errors.flatMap((inner) => stringsWanted(inner, path));
    return issue.code === 'invalid_type' && issue.expected === 'string' ? [path] : [];
  });
}

function replaced(value: unknown, [head, ...rest]: readonly PropertyKey[], by: string): unknown {
  if (head === undefined) return by;
  if (Array.isArray(value))
    return value.map((item, index) => (index === head ? replaced(item, rest, by) : item));
  const map = value as Record<PropertyKey, unknown>;
  return { ...map, [head]: replaced(map[head], rest, by) };
}

/** The keys that a schema knows below a path, for suggestions. */
export function keysBelow(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const schemas = path.reduce<readonly z.ZodType[]>(below, branches(schema));
  return [...new Set(schemas.flatMap((one) => (one instanceof z.ZodObject ? Object.keys(one.shape) : [])))];
}

function below(schemas: readonly z.ZodType[], step: PropertyKey): z.ZodType[] {
  return schemas.flatMap((one) => {
    if (one instanceof z.ZodArray && typeof step === 'number') return branches(one.element as z.ZodType);
    if (one instanceof z.ZodRecord) return branches(one.valueType as z.ZodType);
    if (!(one instanceof z.ZodObject)) return [];
    const inner = (one.shape as Record<PropertyKey, z.ZodType>)[step];
    return inner === undefined ? [] : branches(inner);
  });
}

/** What a schema is below its wrappings; all parts of a union. */
function branches(schema: z.ZodType): z.ZodType[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable
  )
    return branches(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodPipe) return branches(schema.in as z.ZodType);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((one) => branches(one as z.ZodType));
  return [schema];
}
