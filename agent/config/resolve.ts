import type { RawSettings, Source } from './document.ts';
import { checkSettings } from './document.ts';
import type { ConfigProblem } from './problems.ts';
import { type Settings, settingsSchema } from './settings.ts';

export type Resolved =
  | { readonly settings: Settings; readonly problems?: undefined }
  | { readonly settings?: undefined; readonly problems: readonly ConfigProblem[] };

/**
 * One value from all sources, later ones over earlier ones, or every mistake of every source. Pure.
 *
 * @param sources in the order: /etc, seed, environment
 */
export function resolveSettings(sources: readonly Source[]): Resolved {
  const problems = sources.flatMap((source) => source.problems);
  if (problems.length > 0) return { problems };
  const raw = sources.map((source) => source.raw).reduce(merge, {});
  const conflicts = checkSettings(raw);
  if (conflicts.length === 0) return { settings: settingsSchema.parse(raw) };
  return {
    problems: conflicts.map(({ path, said }) => {
      const source = sources.findLast((candidate) => has(candidate.raw, path));
      return { source: source?.name ?? 'settings', ...source?.place(path), ...said };
    }),
  };
}

function merge(low: RawSettings, high: RawSettings): RawSettings {
  const result: Record<string, unknown> = { ...low };
  for (const [key, value] of Object.entries(high)) {
    const below = result[key];
    result[key] = isTree(below) && isTree(value) ? merge(below, value) : value;
  }
  return result;
}

function has(tree: unknown, path: readonly PropertyKey[]): boolean {
  const [head, ...rest] = path;
  if (head === undefined) return true;
  return isTree(tree) && Object.hasOwn(tree, head) && has((tree as Record<PropertyKey, unknown>)[head], rest);
}

function isTree(value: unknown): value is RawSettings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
