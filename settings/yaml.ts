/** The only reader of YAML: cluster.yaml, node.yaml, install.yaml, and what cloud-init reads of a seed. */
import {
  type Alias,
  type Document,
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  visit,
} from 'yaml';
import type { PlacedMistake } from './mistakes.ts';
import { tooDeepAt } from './nesting.ts';
import { type Place, placeInText, readText } from './text.ts';

/** A YAML document as a plain value, with the place of every part of it. */
export interface YamlDocument {
  /** Undefined when it cannot be read; an empty document is an empty map. */
  readonly value: unknown;
  /** Nothing but comments. */
  readonly empty: boolean;
  /** What is wrong with it as YAML. Of some mistakes there still is a value, whose own mistakes can be told too. */
  readonly mistakes: readonly PlacedMistake[];
  /** The place of the key or item at a path, or of the deepest part of the path that exists. */
  readonly placeOf: (path: readonly PropertyKey[]) => Place;
  /** How a value without quotes is written: `0123`, `1e5`, `true`. Undefined for anything else. */
  readonly writtenAt: (path: readonly PropertyKey[]) => string | undefined;
}

interface YamlOptions {
  /** cloud-init reads YAML 1.1, where `yes` is a boolean. */
  readonly version?: '1.1' | '1.2';
  /** Bytes. */
  readonly largest?: number;
}

/** Far more than any honest file needs; a hostile one must not take the machine's memory or stack. */
export const LARGEST_DOCUMENT = 256 * 1024;
const DEEPEST = 40;
const MOST_ALIASES = 100;
const START: Place = { line: 1, column: 1 };

/** Read a YAML document. Whatever the bytes are, the result is a value or mistakes: never an exception. Pure. */
export function readYaml(bytes: Uint8Array, options: YamlOptions = {}): YamlDocument {
  const largest = options.largest ?? LARGEST_DOCUMENT;
  if (bytes.length > largest)
    return unreadable(`the file is too large: expected at most ${largest / 1024} KiB`);
  const reading = readText(bytes);
  if (reading.text === undefined) return unreadable(reading.reason, reading.place);
  // A lone CR ends a line too (YAML 1.2, 5.4), which the parser does not know: a comment would take all after it.
  const text = reading.text.replace(/\r(?!\n)/g, '\n');
  const deep = tooDeepAt(text, DEEPEST);
  if (deep !== -1)
    return unreadable(`nested too deeply: expected at most ${DEEPEST} levels`, placeInText(text, deep));
  try {
    return parse(text, options.version ?? '1.2');
  } catch {
    return unreadable('expected YAML');
  }
}

function parse(text: string, version: '1.1' | '1.2'): YamlDocument {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    logLevel: 'silent',
    version,
  });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const mistakeAt = (offset: number, words: string) => ({ path: [], text: words, place: placeAt(offset) });
  const [document, second] = 'empty' in documents ? [] : documents;
  if (document === undefined) return { ...unreadable(''), value: {}, empty: true, mistakes: [] };
  const faults = [...document.errors, ...document.warnings];
  const aliases = unresolved(document);
  const mistakes = [
    ...faults.map(({ code, pos }) => mistakeAt(pos[0], WORDS[code])),
    ...aliases.map((alias) => mistakeAt(alias.range?.[0] ?? 0, 'unknown alias')),
    ...(second === undefined ? [] : [mistakeAt(second.range[0], WORDS.MULTIPLE_DOCS)]),
  ];
  const root = document.contents as Node | null;
  const empty = root === null || (isScalar(root) && root.value === null);
  if (!empty && !isMap(root) && mistakes.length === 0)
    mistakes.push(mistakeAt(root.range?.[0] ?? 0, 'expected a map of settings at the top'));
  const sound = isMap(root) && faults.every(isHarmless) && aliases.length === 0;
  const value = empty ? {} : sound ? plainValue(document) : undefined;
  if (value === undefined && mistakes.length === 0) mistakes.push(mistakeAt(0, WORDS.RESOURCE_EXHAUSTION));
  const nodeAt = (path: readonly PropertyKey[]) => follow(document, root, path);
  return {
    value,
    empty: empty && mistakes.length === 0,
    mistakes,
    placeOf: (path) => placeAt(nodeAt(path).offset),
    writtenAt: (path) => {
      const { node, whole } = nodeAt(path);
      return whole && isScalar(node) && node.type === 'PLAIN' ? node.source : undefined;
    },
  };
}

/** Which of two equal keys counts nobody knows, but all others have a value. */
function isHarmless({ code }: { readonly code: ErrorCode }): boolean {
  return code === 'DUPLICATE_KEY';
}

/** Undefined when its aliases stand for more than any memory holds. */
function plainValue(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch {
    return undefined;
  }
}

/** Aliases whose anchor does not stand before them. */
function unresolved(document: Document): Alias[] {
  const anchors = new Set<string>();
  const found: Alias[] = [];
  visit(document, {
    Value: (_, { anchor }) => {
      if (anchor !== undefined) anchors.add(anchor);
    },
    Alias: (_, alias) => {
      if (!anchors.has(alias.source)) found.push(alias);
    },
  });
  return found;
}

interface Followed {
  readonly node: unknown;
  readonly offset: number;
  /** All of the path exists. */
  readonly whole: boolean;
}

function follow(document: Document, root: Node | null, path: readonly PropertyKey[]): Followed {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  const resolve = (it: unknown) => (isAlias(it) ? it.resolve(document) : it);
  for (const step of path) {
    const here = resolve(node);
    if (isMap(here)) {
      const pair: Pair | undefined = here.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) return { node, offset, whole: false };
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(here) && typeof step === 'number' && here.items[step] !== undefined) {
      node = here.items[step];
      offset = (node as Node).range?.[0] ?? offset;
    } else return { node, offset, whole: false };
  }
  return { node: resolve(node), offset, whole: true };
}

function unreadable(text: string, place = START): YamlDocument {
  return {
    value: undefined,
    empty: false,
    mistakes: [{ path: [], text, place }],
    placeOf: () => START,
    writtenAt: () => undefined,
  };
}

/** In our words, not the parser's: its own repeat what stands in the file, which may be a secret. */
const WORDS: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias takes no anchor and no tag',
  BAD_ALIAS: 'invalid alias or anchor',
  BAD_COLLECTION_TYPE: 'this tag does not fit its value',
  BAD_DIRECTIVE: 'invalid directive',
  BAD_DQ_ESCAPE: 'invalid escape in double quotes',
  BAD_INDENT: 'invalid indentation, or a bracket that is not closed',
  BAD_PROP_ORDER: 'an anchor or tag in the wrong place',
  BAD_SCALAR_START: 'a value may not begin with this character: put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a map inside of a line: put it on lines of its own, or the value in quotes',
  BLOCK_IN_FLOW: 'a block inside of brackets',
  DUPLICATE_KEY: 'duplicate key',
  IMPOSSIBLE: 'invalid YAML',
  KEY_OVER_1024_CHARS: 'a key is too long',
  MISSING_CHAR: 'a bracket, quote, colon or comma is missing',
  MULTILINE_IMPLICIT_KEY: 'expected key: value on one line',
  MULTIPLE_ANCHORS: 'more than one anchor',
  MULTIPLE_DOCS: 'a second document begins here: expected one',
  MULTIPLE_TAGS: 'more than one tag',
  NON_STRING_KEY: 'expected a string as key',
  RESOURCE_EXHAUSTION: 'too many aliases',
  TAB_AS_INDENT: 'tabs cannot indent: use spaces',
  TAG_RESOLVE_FAILED: 'unknown tag',
  UNEXPECTED_TOKEN: 'this was not expected here',
};
