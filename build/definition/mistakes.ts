import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';

/** One thing that is wrong in a definition, in words. */
export interface Mistake {
  /** Keys and indexes from the root of the document. */
  readonly path: readonly PropertyKey[];
  /** What is wrong and what was expected, without a full stop. */
  readonly text: string;
  /** The valid word that was probably meant. */
  readonly nearest?: string | undefined;
}

/**
 * Turn zod's findings into mistakes: one for each unknown key, and for a union those of the branch that was meant.
 *
 * @param value the document that was checked, to show what was found
 * @param keysAt the keys that are valid at a path, for suggestions
 */
export function mistakesOf(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  keysAt: (path: readonly PropertyKey[]) => readonly string[],
): Mistake[] {
  return issues.flatMap((issue): Mistake[] => {
    if (issue.code === 'unrecognized_keys') {
      const valid = keysAt(issue.path);
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        text: `unknown key; expected ${valid.length > 0 ? listed(valid) : 'none here'}`,
        nearest: nearestWord(key, valid),
      }));
    }
    if (issue.code === 'invalid_union') return unionMistakes(issue, value, keysAt);
    const found = valueAt(value, issue.path);
    if (issue.code === 'invalid_value') {
      const words = issue.values.map(String);
      const nearest = typeof found === 'string' ? nearestWord(found, words) : undefined;
      return [{ path: issue.path, text: `${expectedOneOf(words)}, found ${shown(found)}`, nearest }];
    }
    return [{ path: issue.path, text: `${expectation(issue)}, found ${shown(found)}` }];
  });
}

/** The word of a list that differs little enough from what was written. */
export function nearestWord(word: string, valid: readonly string[]): string | undefined {
  if (valid.length === 0 || word.length > 100) return undefined;
  const best = closest(word.toLowerCase(), valid);
  const tolerated = Math.max(Math.min(2, Math.floor(best.length / 2)), Math.floor(best.length / 3));
  return distance(word.toLowerCase(), best) <= tolerated ? best : undefined;
}

/** A value as evidence: short, on one line, without control characters. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The branch for the kind of value that stands there: a map is meant as the map, a word as the word. */
function unionMistakes(
  issue: z.core.$ZodIssueInvalidUnion,
  value: unknown,
  keysAt: (path: readonly PropertyKey[]) => readonly string[],
): Mistake[] {
  const wrongKind = (branch: readonly z.core.$ZodIssue[]) =>
    branch.some(
      ({ code, path }) => path.length === 0 && (code === 'invalid_type' || code === 'invalid_value'),
    );
  const found = valueAt(value, issue.path);
  const isMap = typeof found === 'object' && found !== null && !Array.isArray(found);
  const branch = isMap ? issue.errors.find((errors) => !wrongKind(errors)) : undefined;
  const words = issue.errors.flatMap((errors) =>
    errors.flatMap((inner) =>
      inner.code === 'invalid_value' && inner.path.length === 0 ? inner.values.map(String) : [],
    ),
  );
  if (branch !== undefined) {
    return mistakesOf(
      branch.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
      value,
      keysAt,
    );
  }
  const nearest = typeof found === 'string' ? nearestWord(found, words) : undefined;
  return [{ path: issue.path, text: `${expectedOneOf(words)} or a map, found ${shown(found)}`, nearest }];
}

function expectedOneOf(words: readonly string[]): string {
  return `expected ${words.length > 1 ? 'one of ' : ''}${listed(words)}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.message.startsWith('expected ')) return issue.message;
  if (issue.code === 'too_small') return `expected ${issue.minimum} or more`;
  if (issue.code === 'too_big') return `expected ${issue.maximum} or less`;
  if (issue.code === 'invalid_type') return `expected ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
  return `${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  object: 'a map',
  array: 'a list',
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

function listed(words: readonly string[]): string {
  return words.join(', ');
}

export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let inner = value;
  for (const step of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, step)) return undefined;
    inner = (inner as Record<PropertyKey, unknown>)[step];
  }
  return inner;
}
