import type { Environment, Paths } from '../paths.ts';
import type { Asker } from './confirm.ts';

/** What every command gets; read once by `main.ts`. */
export interface Context {
  readonly environment: Environment;
  readonly paths: Paths;
  /** False: nobody reads any more. */
  readonly print: (stream: 'stdout' | 'stderr', text: string) => unknown;
  /** Who answers questions; the terminal when absent. */
  readonly asker?: Asker;
}

export interface Options {
  readonly json?: boolean;
}

/** A document for programs, or its text for people. */
export function printResult<T>(
  { print }: Context,
  { json }: Options,
  document: T,
  text: (document: T) => string,
): void {
  print('stdout', `${json ? JSON.stringify(document, undefined, 2) : text(document).trimEnd()}\n`);
}

/** `  label    value` for each row that has a value. */
export function rows(entries: readonly (readonly [string, string | undefined])[]): string {
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([label, value]) => `  ${label.padEnd(10)} ${value}`)
    .join('\n');
}
