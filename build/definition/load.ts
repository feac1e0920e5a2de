import * as path from 'node:path';
import { checkDocument } from '../../settings/check.ts';
import { describeMistake, type PlacedMistake } from '../../settings/mistakes.ts';
import { saidOfNetwork } from '../../settings/network-config.ts';
import { readText } from '../../settings/text.ts';
import { LARGEST_DOCUMENT, readYaml } from '../../settings/yaml.ts';
import { OperatorError } from '../errors.ts';
import { files, places } from '../host.ts';
import { secretByName, secretIn } from '../secrets.ts';
import { crossChecks } from './cross-checks.ts';
import { definitionSchema, type Settings } from './schema.ts';

/** A definition without a mistake, every default filled in and every file read. */
export interface Definition extends Omit<Settings, 'files'> {
  readonly files: readonly DefinedFile[];
  /** Where it came from, for messages: a path, or `the built-in default`. */
  readonly origin: string;
}

interface DefinedFile {
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
    status.size > LARGEST_DOCUMENT ? new Uint8Array(LARGEST_DOCUMENT + 1) : await files.readBytes(found);
  const checked = checkDefinition(bytes);
  if ('mistakes' in checked) throw invalid(found, checked.mistakes);
  const sources = await readSources(checked.settings, path.dirname(found));
  const misread = sources.flatMap((source, index) =>
    typeof source === 'string'
      ? [
          {
            path: ['files', index, checked.settings.files[index]?.source === undefined ? 'path' : 'source'],
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
  const document = readYaml(bytes);
  if (document.empty) {
    const text = 'the file is empty: expected at least a name, such as name: my-cluster';
    return { mistakes: [{ path: [], text, place: { line: 1, column: 1 } }] };
  }
  const checked = checkDocument(document, definitionSchema, {
    showFound: true,
    more: crossChecks,
    say: (mistake) => (mistake.path[1] === 'network' ? saidOfNetwork(mistake) : mistake),
  });
  if (checked.mistakes !== undefined) return { mistakes: checked.mistakes };
  return { settings: checked.settings, placeOf: document.placeOf };
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

function noSecret(file: string, secret: string): string {
  return `expected no secret, and ${file} is ${secret}: an image is for everybody; secrets travel in the seed`;
}

/** Each file with its text, or in words why its source cannot be used. */
async function readSources(settings: Settings, folder: string): Promise<(DefinedFile | string)[]> {
  return Promise.all(
    settings.files.map(async ({ path: target, mode, text, source }): Promise<DefinedFile | string> => {
      const bits = Number.parseInt(mode, 8);
      if (source === undefined) {
        const secret = secretByName(target) ?? secretIn(Buffer.from(text ?? ''));
        return secret === undefined
          ? { path: target, mode: bits, text: text ?? '' }
          : noSecret(target, secret);
      }
      const file = path.resolve(folder, source);
      try {
        const status = await files.statOrUndefined(file);
        if (!status?.isFile()) return `expected a file to copy, and there is none at ${file}`;
        // Of what is no text, such as MUNGE's key, the name says more than the bytes; a link has its target's name too.
        const named = [file, await places.realPlace(file), target].map(secretByName).find(Boolean);
        if (named !== undefined) return noSecret(file, named);
        if (status.size > LARGEST_SOURCE) return `expected at most 1 MiB, and ${file} is larger`;
        const { text: content, reason } = readText(await files.readBytes(file));
        if (content === undefined) return `${reason} in ${file}`;
        const secret = secretIn(Buffer.from(content));
        if (secret !== undefined) return noSecret(file, secret);
        return { path: target, mode: bits, text: content };
      } catch (error) {
        return error instanceof OperatorError ? error.message : `expected text in UTF-8 in ${file}`;
      }
    }),
  );
}
