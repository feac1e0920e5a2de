import { checkDocument, keysBelow } from '../../settings/check.ts';
import { dotted, type Mistake, mistakesOf } from '../../settings/mistakes.ts';
import { readYaml } from '../../settings/yaml.ts';
import type { ConfigProblem } from './problems.ts';
import { settingsSchema } from './settings.ts';

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

/**
 * Read a YAML document of settings. Never throws: whatever is wrong is in `problems`, all of it at once.
 *
 * @param name the file's path, for the messages
 */
export function readDocument(name: string, content: Uint8Array | string): Source {
  const document = readYaml(typeof content === 'string' ? Buffer.from(content) : content);
  // Values are not repeated: a misplaced secret must not reach a log.
  const checked = checkDocument(document, settingsSchema, { showFound: false });
  const problems = (checked.mistakes ?? []).map(({ place, ...mistake }) => ({
    source: name,
    ...place,
    ...problemOf(mistake),
  }));
  const raw = problems.length === 0 && 'value' in checked ? (checked.value as RawSettings) : {};
  return { name, raw, problems, place: document.placeOf };
}

/** The mistakes of a tree of settings against the schema, without a place. */
export function checkSettings(value: unknown): { path: readonly PropertyKey[]; said: Said }[] {
  const result = settingsSchema.safeParse(value);
  if (result.success) return [];
  const keysAt = (path: readonly PropertyKey[]) => keysBelow(settingsSchema, path);
  return mistakesOf(result.error.issues, value, { keysAt, showFound: false }).map((mistake) => ({
    path: mistake.path,
    said: problemOf(mistake),
  }));
}

type Said = Omit<ConfigProblem, 'source' | 'line' | 'column'>;

function problemOf({ path, text, nearest }: Mistake): Said {
  return { setting: dotted(path), expectation: text, nearest };
}
