import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseAllDocuments } from 'yaml';
import type { Mistake } from './mistakes.ts';

/** A YAML document as a plain value, with the place of every part of it. */
export interface ParsedDocument {
  readonly value: unknown;
  /** Line and column, from 1, of the key or item at a path, or of the deepest part of the path that exists. */
  readonly placeOf: (path: readonly PropertyKey[]) => Place;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface PlacedMistake extends Mistake {
  readonly place: Place;
}

/** Far more than any definition needs; a hostile one must not take the machine's memory or stack. */
export const LARGEST_DEFINITION = 256 * 1024;
const DEEPEST = 40;
const MOST_ALIASES = 100;

/**
 * Read the text of a definition. Whatever the bytes are, the result is a document or mistakes: never an exception.
 */
export function parseDocument(bytes: Uint8Array): ParsedDocument | readonly PlacedMistake[] {
  if (bytes.length > LARGEST_DEFINITION) {
    return [mistake(`the file is too large: expected at most ${LARGEST_DEFINITION / 1024} KiB`)];
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return [mistake('the file is not text: expected YAML in UTF-8')];
  }
  const bad = controlCharacterAt(text);
  if (bad !== -1)
    return [mistake('the file is not text: it holds control characters', placeInText(text, bad))];
  const deep = tooDeepAt(text);
  if (deep !== -1)
    return [mistake(`nested too deeply: expected at most ${DEEPEST} levels`, placeInText(text, deep))];
  try {
    return parseText(text);
  } catch (error) {
    return [mistake(error instanceof Error ? firstLine(error.message) : String(error))];
  }
}

function parseText(text: string): ParsedDocument | readonly PlacedMistake[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    logLevel: 'silent',
  });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [document, second] = 'empty' in documents ? [] : documents;
  if (document === undefined || (document.contents === null && document.errors.length === 0)) {
    return [mistake('the file is empty: expected at least a name, such as name: my-cluster')];
  }
  const broken = [...document.errors, ...document.warnings].map((error) => ({
    ...mistake(SYNTAX_WORDS[error.code] ?? firstLine(error.message)),
    place: placeAt(error.pos[0]),
  }));
  if (second !== undefined) {
    broken.push({
      ...mistake('a second document begins here: expected one'),
      place: placeAt(second.range[0]),
    });
  }
  if (broken.length > 0) return broken;
  const root = document.contents as Node | null;
  if (!isMap(root))
    return [{ ...mistake('expected a map of settings at the top'), place: placeAt(root?.range?.[0] ?? 0) }];
  const value: unknown = document.toJS({ maxAliasCount: MOST_ALIASES });
  const resolve = (node: unknown) => (isAlias(node) ? node.resolve(document) : node);
  return { value, placeOf: (path) => placeAt(offsetOf(root, path, resolve)) };
}

function offsetOf(root: Node, path: readonly PropertyKey[], resolve: (node: unknown) => unknown): number {
  let node: unknown = root;
  let offset = root.range?.[0] ?? 0;
  for (const step of path) {
    const here = resolve(node);
    if (isMap(here)) {
      const pair: Pair | undefined = here.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(here) && typeof step === 'number' && here.items[step] !== undefined) {
      node = here.items[step];
      offset = (node as Node).range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

const SYNTAX_WORDS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands here twice',
  TAB_AS_INDENT: 'tabs cannot indent: use spaces',
  MULTIPLE_DOCS: 'a second document begins here: expected one',
};

function mistake(text: string, place: Place = { line: 1, column: 1 }): PlacedMistake {
  return { path: [], text, place };
}

/** The parser descends once for each level, by brackets, by dashes on a line, or by indentation. */
function tooDeepAt(text: string): number {
  let brackets = 0;
  let dashes = 0;
  const indents: number[] = [];
  let column = 0;
  let leading = true;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] ?? '';
    if (char === '\n') {
      column = 0;
      dashes = 0;
      leading = true;
      continue;
    }
    if (leading && char !== ' ') {
      leading = false;
      while ((indents.at(-1) ?? -1) >= column) indents.pop();
      indents.push(column);
    }
    if (char === '[' || char === '{') brackets += 1;
    if (char === ']' || char === '}') brackets = Math.max(0, brackets - 1);
    if ((char === '-' || char === '?' || char === ':') && /[ \n]/.test(text[index + 1] ?? '\n')) dashes += 1;
    if (brackets > DEEPEST || dashes > DEEPEST || indents.length > DEEPEST) return index;
    column += 1;
  }
  return -1;
}

function controlCharacterAt(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.search(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/);
}

function placeInText(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function firstLine(text: string): string {
  const line = text.split('\n')[0] ?? text;
  return `${line.charAt(0).toLowerCase()}${line.slice(1)}`.slice(0, 200);
}
