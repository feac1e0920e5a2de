import { isMap, isPair, isScalar, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import type * as z from 'zod';
import { type ConfigProblem, nearestWord } from './problems.ts';
import { keysBelow, settingsSchema } from './settings.ts';

/** What a source says before it is merged: a tree of only those settings that it sets. */
export type RawSettings = Readonly<Record<string, unknown>>;

export interface Source {
  readonly raw: RawSettings;
  readonly problems: readonly ConfigProblem[];
  /** Where a setting stands in the source, for mistakes that only the merge shows. */
  readonly place: (path: readonly PropertyKey[]) => {
    line?: number | undefined;
    column?: number | undefined;
  };
  readonly name: string;
}

/** More than any honest file; the parser descends once for each, and a hostile file must not overflow it. */
const MAX_DEPTH = 32;

/**
 * Read a YAML document of settings. Never throws: whatever is wrong is in `problems`, all of it at once.
 *
 * @param name the file's path, for the messages
 */
export function readDocument(name: string, text: string): Source {
  const lines = new LineCounter();
  const broken = (expectation: string, offset?: number): Source => ({
    name,
    raw: {},
    place: () => ({}),
    problems: [
      { source: name, setting: '', expectation, ...(offset === undefined ? {} : at(lines, offset)) },
    ],
  });
  if (text.includes('\uFFFD') || text.includes('\0')) return broken('expected a text file in UTF-8');
  const deep = tooDeepAt(text);
  if (deep !== undefined) return broken(`expected at most ${MAX_DEPTH} levels`, deep);
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    logLevel: 'silent',
  });
  const syntax = document.errors.map((error) => ({
    source: name,
    ...at(lines, error.pos[0]),
    setting: '',
    expectation: error.code === 'DUPLICATE_KEY' ? 'this key stands here twice' : plain(error.message),
  }));
  if (syntax.length > 0) return { name, raw: {}, place: () => ({}), problems: syntax };
  let value: unknown;
  try {
    value = withoutEmpty(document.toJS({ maxAliasCount: 16 }) ?? {});
  } catch (cause) {
    return broken(plain(cause instanceof Error ? cause.message : String(cause)));
  }
  const root = document.contents as ParsedNode | null;
  const place = (path: readonly PropertyKey[]) => at(lines, offsetOf(root, path));
  const problems = checkSettings(value).map((problem) => ({
    source: name,
    ...at(lines, offsetOf(root, problem.path)),
    ...problem.said,
  }));
  return { name, raw: problems.length === 0 ? (value as RawSettings) : {}, problems, place };
}

/** The mistakes of a tree of settings against the schema, without a place. */
export function checkSettings(
  value: unknown,
): { path: PropertyKey[]; said: Omit<ConfigProblem, 'source'> }[] {
  const result = settingsSchema.safeParse(value, { reportInput: true });
  return result.success ? [] : result.error.issues.flatMap(sayIssue);
}

function sayIssue(issue: z.core.$ZodIssue): { path: PropertyKey[]; said: Omit<ConfigProblem, 'source'> }[] {
  if (issue.code === 'unrecognized_keys') {
    const valid = keysBelow(issue.path);
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      const expectation = `unknown setting; expected ${listed(valid)}`;
      return {
        path,
        said: { setting: shorten(path.join('.')), expectation, nearest: nearestWord(key, valid) },
      };
    });
  }
  const words = issue.code === 'invalid_value' ? issue.values.map(String) : [];
  const expectation = words.length > 0 ? `expected ${listed(words)}` : sayExpectation(issue);
  const nearest =
    words.length > 0 && typeof issue.input === 'string' ? nearestWord(issue.input, words) : undefined;
  return [{ path: [...issue.path], said: { setting: shorten(issue.path.join('.')), expectation, nearest } }];
}

function sayExpectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small') return `expected ${issue.minimum} or more`;
  if (issue.code === 'too_big') return `expected ${issue.maximum} or less`;
  if (issue.code === 'invalid_type') return `expected ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
  return issue.message;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  object: 'a map of settings',
  array: 'a list',
  string: 'a text',
  int: 'a whole number',
  number: 'a whole number',
  boolean: 'true or false',
};

/** `mesh:` with nothing below it (all lines commented out) sets nothing. */
function withoutEmpty(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null && inner !== undefined)
      .map(([key, inner]) => [key, withoutEmpty(inner)]),
  );
}

/** The offset of the key that a path ends at, or of the deepest part of the path that exists. */
function offsetOf(root: ParsedNode | null, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = root;
  let offset = root?.range?.[0];
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) break;
      offset = (pair.key as ParsedNode).range?.[0] ?? offset;
      node = pair.value;
    } else if (typeof step === 'number' && typeof node === 'object' && node !== null && 'items' in node) {
      node = (node.items as unknown[])[step];
      offset = (node as ParsedNode | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

function at(lines: LineCounter, offset: number | undefined): { line?: number; column?: number } {
  if (offset === undefined) return {};
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

/** Brackets nested deeper than allowed, or more indentation steps on one line than any honest file has. */
function tooDeepAt(text: string): number | undefined {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index];
    if (letter === '[' || letter === '{') depth += 1;
    else if ((letter === ']' || letter === '}') && depth > 0) depth -= 1;
    if (depth > MAX_DEPTH) return index;
  }
  const compact = /(?:[-?:][ \t]+){33}/.exec(text);
  return compact === null ? undefined : compact.index;
}

function listed(words: readonly string[]): string {
  if (words.length === 0) return 'nothing here';
  return words.length === 1 ? String(words[0]) : `one of ${words.join(', ')}`;
}

function plain(message: string): string {
  return shorten(message.replace(/\s+/g, ' ').trim(), 160);
}

function shorten(text: string, limit = 80): string {
  return text.length > limit ? `${text.slice(0, limit)}...` : text;
}
