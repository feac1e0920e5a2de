import * as path from 'node:path';
import { z } from 'zod';
import { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import { crossChecks } from './cross-checks.ts';
import { LARGEST_DEFINITION, type PlacedMistake, parseDocument } from './document.ts';
import { type Mistake, mistakesOf } from './mistakes.ts';
import { definitionSchema, type Settings } from './schema.ts';

/** A definition without a mistake, every default filled in and every file read. */
export interface Definition extends Omit<Settings, 'files'> {
  readonly files: readonly DefinedFile[];
  /** Where it came from, for messages: a path, or `the built-in default`. */
  readonly origin: string;
}

export interface DefinedFile {
  readonly path: string;
  readonly mode: number;
  readonly text: string;
}

export const DEFINITION_NAME = 'cluster.yaml';
const LARGEST_SOURCE = 1 << 20;
const MOST_SHOWN = 40;

/**
 * The definition: `file`, else `cluster.yaml` in the current folder, else the built-in default.
 *
 * @throws OperatorError `definition.missing`, `definition.invalid` (every mistake with its place), `file.*`
 */
export async function loadDefinition(file?: string): Promise<Definition> {
  const found = file ?? ((await files.exists(DEFINITION_NAME)) ? DEFINITION_NAME : undefined);
  if (found === undefined)
    return { ...definitionSchema.parse({}), files: [], origin: 'the built-in default' };
  const status = await files.statOrUndefined(found);
  if (status === undefined) {
    throw new OperatorError({
      code: 'definition.missing',
      message: `there is no definition ${found}`,
      fix: 'name another file with --definition, or write one: npx clusteros-build init',
    });
  }
  if (!status.isFile()) {
    throw new OperatorError({
      code: 'definition.missing',
      message: `${found} is not a file`,
      fix: 'name a file with --definition',
    });
  }
  // A larger file is refused by its size; there is no need to read it for that.
  const bytes =
    status.size > LARGEST_DEFINITION ? new Uint8Array(LARGEST_DEFINITION + 1) : await files.readBytes(found);
  const checked = checkDefinition(bytes);
  if ('mistakes' in checked) throw invalid(found, checked.mistakes);
  const sources = await readSources(checked.settings, path.dirname(found));
  const misread = sources.flatMap((source, index) =>
    typeof source === 'string'
      ? [
          {
            path: ['files', index, 'source'],
            text: source,
            place: checked.placeOf(['files', index, 'source']),
          },
        ]
      : [],
  );
  if (misread.length > 0) throw invalid(found, misread);
  return {
    ...checked.settings,
    files: sources.filter((source) => typeof source !== 'string'),
    origin: found,
  };
}

/** The bytes of a definition as settings, or every mistake in them. Pure. */
export function checkDefinition(bytes: Uint8Array):
  | {
      readonly settings: Settings;
      readonly placeOf: (path: readonly PropertyKey[]) => { line: number; column: number };
    }
  | { readonly mistakes: readonly PlacedMistake[] } {
  const document = parseDocument(bytes);
  if (!('placeOf' in document)) return { mistakes: document };
  const { placeOf } = document;
  const value = withoutEmpty(document.value);
  const result = definitionSchema.safeParse(value);
  const own = result.success ? [] : mistakesOf(result.error.issues, value, validKeys);
  const mistakes = [...own, ...crossChecks(value)]
    .map((mistake) => ({ ...mistake, place: placeOf(mistake.path) }))
    .sort((one, other) => one.place.line - other.place.line || one.place.column - other.place.column);
  if (result.success && mistakes.length === 0) return { settings: result.data, placeOf };
  return { mistakes };
}

/** `cluster.yaml:12:5: node.mesh.prot: unknown key; expected port, range; did you mean port?` */
export function describeMistake(file: string, mistake: PlacedMistake): string {
  const where = mistake.path.length > 0 ? `${dotted(mistake)}: ` : '';
  const hint = mistake.nearest === undefined ? '' : `; did you mean ${mistake.nearest}?`;
  return `${file}:${mistake.place.line}:${mistake.place.column}: ${where}${mistake.text}${hint}`;
}

function invalid(file: string, mistakes: readonly PlacedMistake[]): OperatorError {
  const lines = mistakes.slice(0, MOST_SHOWN).map((mistake) => describeMistake(file, mistake));
  if (mistakes.length > MOST_SHOWN) lines.push(`... and ${mistakes.length - MOST_SHOWN} more`);
  return new OperatorError({
    code: 'definition.invalid',
    message: `${mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`} in the definition ${file}`,
    evidence: lines.join('\n'),
    fix: `correct ${mistakes.length === 1 ? 'this line' : 'these lines'}; every setting is explained by: npx clusteros-build schema`,
  });
}

function dotted({ path: steps }: Mistake): string {
  const text = steps.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  const word = text.replace(/^\./, '').replace(/[^\x20-\x7e]/g, '?');
  return word.length > 100 ? `${word.slice(0, 97)}...` : word;
}

/** A key with nothing behind it (all lines below commented out) sets nothing. */
function withoutEmpty(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutEmpty(inner)]));
}

/** The keys that the schema knows at a path. */
function validKeys(steps: readonly PropertyKey[]): readonly string[] {
  let schemas: JsonSchema[] = [jsonSchema()];
  for (const step of steps) {
    schemas = schemas.flatMap((schema) =>
      [schema, ...(schema.anyOf ?? [])].flatMap((branch) => {
        const inner = typeof step === 'number' ? branch.items : branch.properties?.[String(step)];
        return inner === undefined ? [] : [inner];
      }),
    );
  }
  return schemas.flatMap((schema) =>
    [schema, ...(schema.anyOf ?? [])].flatMap((branch) => Object.keys(branch.properties ?? {})),
  );
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

function jsonSchema(): JsonSchema {
  return z.toJSONSchema(definitionSchema, { io: 'input' }) as JsonSchema;
}

/** Each file with its text, or in words why its source cannot be used. */
async function readSources(settings: Settings, folder: string): Promise<(DefinedFile | string)[]> {
  return Promise.all(
    settings.files.map(async ({ path: target, mode, text, source }): Promise<DefinedFile | string> => {
      const bits = Number.parseInt(mode, 8);
      if (source === undefined) return { path: target, mode: bits, text: text ?? '' };
      const file = path.resolve(folder, source);
      try {
        const status = await files.statOrUndefined(file);
        if (!status?.isFile()) return `expected a file to copy, and there is none at ${file}`;
        if (status.size > LARGEST_SOURCE) return `expected at most 1 MiB, and ${file} is larger`;
        const content = new TextDecoder('utf-8', { fatal: true }).decode(await files.readBytes(file));
        if (content.includes('PRIVATE KEY-----')) return `expected no private key, and ${file} is one`;
        return { path: target, mode: bits, text: content };
      } catch (error) {
        return error instanceof OperatorError ? error.message : `expected text in UTF-8 in ${file}`;
      }
    }),
  );
}
