import { closest, distance } from 'fastest-levenshtein';
import type * as z from 'zod';
import type { Place } from './text.ts';

/** One thing that is wrong in a document, in words. */
export interface Mistake {
  /** Keys and indexes from the root of the document; empty for the document itself. */
  readonly path: readonly PropertyKey[];
  /** What is wrong and what was expected, without a full stop. */
  readonly text: string;
  /** The valid word that was probably meant. */
  readonly nearest?: string | undefined;
}

export interface PlacedMistake extends Mistake {
  readonly place: Place;
}

interface MistakeOptions {
  /** The keys that are valid at a path, for suggestions. */
  readonly keysAt: (path: readonly PropertyKey[]) => readonly string[];
  /** Repeat what was found, but for custom issues with `params: {secret: true}`? Not of a file in which a misplaced secret may stand and whose mistakes reach a log. */
  readonly showFound: boolean;
}

/**
 * Turn zod's findings into mistakes: one for each unknown key, and for a union those of the branch that was meant.
 *
 * @param value the document that was checked
 */
export function mistakesOf(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  options: MistakeOptions,
): Mistake[] {
  const found = (path: readonly PropertyKey[]) =>
    options.showFound ? `, found ${shown(valueAt(value, path))}` : '';
  return issues.flatMap((issue): Mistake[] => {
    if (issue.code === 'unrecognized_keys') {
      const valid = options.keysAt(issue.path);
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        text: `unknown key; ${expectedOneOf(valid)}`,
        nearest: nearestWord(key, valid),
      }));
    }
    const ownWords = issue.message.startsWith('expected ');
    if (issue.code === 'invalid_union' && !ownWords) return unionMistakes(issue, value, options);
    if (issue.code === 'invalid_key')
      return issue.issues.map((inner) => ({ path: issue.path, text: expectation(inner) }));
    if (issue.code === 'invalid_value') {
      const words = issue.values.map(String);
      const word = valueAt(value, issue.path);
      const nearest = typeof word === 'string' ? nearestWord(word, words) : undefined;
      const quoted = nearest !== undefined && nearest === word ? ' without quotes' : '';
      const text = `${expectedOneOf(words)}${quoted}${found(issue.path)}`;
      return [{ path: issue.path, text, nearest: quoted === '' ? nearest : undefined }];
    }
    const secret = issue.code === 'custom' && issue.params?.secret === true;
    return [{ path: issue.path, text: `${expectation(issue)}${secret ? '' : found(issue.path)}` }];
  });
}

/** `cluster.yaml:12:5: node.mesh.prot: unknown key; expected one of port, range; did you mean port?` */
export function describeMistake(file: string, mistake: PlacedMistake): string {
  return describe([file, mistake.place.line, mistake.place.column].join(':'), dotted(mistake.path), mistake);
}

/** @param where a file with its place, or whatever else a mistake was made in */
export function describe(where: string, setting: string, { text, nearest }: Omit<Mistake, 'path'>): string {
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  return [where, setting, `${text}${hint}`].filter((part) => part !== '').join(': ');
}

/** `files[0].mode`. Keys come from a file: they are cut, and without characters that a terminal takes for orders. */
export function dotted(path: readonly PropertyKey[]): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  const word = text.replace(/^\./, '').replace(/[^\x20-\x7e]/g, '?');
  return word.length > 100 ? `${word.slice(0, 97)}...` : word;
}

/** The word of a list that differs little enough from what was written. */
export function nearestWord(word: string, valid: readonly string[]): string | undefined {
  if (valid.length === 0 || word.length > 100) return undefined;
  const best = closest(word.toLowerCase(), valid);
  const tolerated = Math.max(Math.min(2, Math.floor(best.length / 2)), Math.floor(best.length / 3));
  return distance(word.toLowerCase(), best) <= tolerated ? best : undefined;
}

/** Keys, tokens, whatever else is long and has no words in it, and addresses with a password. */
const LIKE_A_SECRET =
  /PRIVATE KEY|:\/\/[^\s/]*@|^\s*[A-Za-z0-9]{8}\.[A-Za-z0-9]{24}\s*$|[A-Za-z0-9+/=_-]{32,}/;

/** A value as evidence: short, on one line, without control characters, and never what may be a secret. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return String(value);
  if (LIKE_A_SECRET.test(value)) return `a string of ${value.length} characters`;
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The branch for the kind of value that stands there: a map is meant as the map, a list as the list. */
function unionMistakes(
  issue: z.core.$ZodIssueInvalidUnion,
  value: unknown,
  options: MistakeOptions,
): Mistake[] {
  const wrongKind = (branch: readonly z.core.$ZodIssue[]) =>
    branch.some(
      ({ code, path }) => path.length === 0 && (code === 'invalid_type' || code === 'invalid_value'),
    );
  const found = valueAt(value, issue.path);
  const branch =
    typeof found === 'object' && found !== null
      ? issue.errors.find((errors) => !wrongKind(errors))
      : undefined;
  if (branch !== undefined) {
    const issues = branch.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
    return mistakesOf(issues, value, options);
  }
  const atRoot = issue.errors.flatMap((errors) => errors.filter(({ path }) => path.length === 0));
  const words = atRoot.flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : []));
  const kinds = atRoot.flatMap((inner) =>
    inner.code === 'invalid_type' ? [TYPE_WORDS[inner.expected] ?? inner.expected] : [],
  );
  const expected = [...(words.length > 0 ? [words.join(', ')] : []), ...new Set(kinds)].join(' or ');
  const text = `expected ${words.length > 1 ? 'one of ' : ''}${expected}`;
  const nearest = typeof found === 'string' ? nearestWord(found, words) : undefined;
  return [{ path: issue.path, text: options.showFound ? `${text}, found ${shown(found)}` : text, nearest }];
}

function expectedOneOf(words: readonly string[]): string {
  if (words.length === 0) return 'expected none here';
  return `expected ${words.length > 1 ? 'one of ' : ''}${words.join(', ')}`;
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
  record: 'a map',
  array: 'a list',
  string: 'a string',
  int: 'a whole number',
  number: 'a whole number',
  boolean: 'true or false',
};

export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let inner = value;
  for (const step of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, step)) return undefined;
    inner = (inner as Record<PropertyKey, unknown>)[step];
  }
  return inner;
}
