import { ask, ORDER_MS, order } from '../api/client.ts';
import { ANSWER_MS, readLastKnown } from '../api/last-known.ts';
import { AgentError } from '../errors.ts';
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

/** Ask the running agent, which may take as long as it said that its machine needs. @throws as {@link ask} */
export async function askAgent<T>({ paths }: Pick<Context, 'paths'>, path: string): Promise<T> {
  return ask<T>(paths.socket, path, (await readLastKnown(paths))?.answerMs);
}

/** Have the running agent do something: on a slow machine it takes longer in proportion. @throws as {@link order} */
export async function orderAgent<T>(
  { paths }: Pick<Context, 'paths'>,
  path: string,
  body: unknown,
  timeoutMs = ORDER_MS,
): Promise<T> {
  const { answerMs = ANSWER_MS } = (await readLastKnown(paths)) ?? {};
  return order<T>(paths.socket, path, body, timeoutMs * Math.max(1, answerMs / ANSWER_MS));
}

/**
 * A document for programs, or its text for people.
 *
 * @throws AgentError `agent.strange-answer` for a document that cannot be put into words: it may be another version's
 */
export function printResult<T>(
  { print }: Context,
  { json }: Options,
  document: T,
  text: (document: T) => string,
): void {
  print('stdout', `${json ? JSON.stringify(document, undefined, 2) : inWords(document, text)}\n`);
}

function inWords<T>(document: T, text: (document: T) => string): string {
  try {
    return text(document).trimEnd();
  } catch (cause) {
    throw new AgentError({
      code: 'agent.strange-answer',
      exit: 'notRunning',
      message: 'the agent gave an answer that this program does not understand',
      evidence: String(cause),
      fix: 'its version may differ from this program: systemctl restart node-agent; --json prints the answer',
      cause,
    });
  }
}

/** `  label    value` for each row that has a value. */
export function rows(entries: readonly (readonly [string, string | undefined])[]): string {
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([label, value]) => `  ${label.padEnd(10)} ${value}`)
    .join('\n');
}
