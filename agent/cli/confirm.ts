import { AgentError } from '../errors.ts';
import { terminal } from '../host.ts';
import type { Context } from './context.ts';

export interface Question {
  /** What is about to happen, as sentences. */
  readonly about: string;
  /** What is looked up for whoever is asked, to decide by. */
  readonly more?: () => Promise<string>;
  /** The command to say yes without being asked. */
  readonly command: string;
}

/** Who can be asked; another in tests. */
export interface Asker {
  readonly isInteractive: () => boolean;
  readonly askLine: (question: string) => Promise<string>;
}

/**
 * Go on only if the operator said yes, by `--yes` or on the terminal.
 *
 * @throws AgentError `confirm.needed` without a terminal, `confirm.declined`
 */
export async function confirm(
  { print, asker = terminal }: Context,
  yes: boolean | undefined,
  { about, more, command }: Question,
): Promise<void> {
  if (yes) return;
  if (!asker.isInteractive()) {
    throw new AgentError({
      code: 'confirm.needed',
      exit: 'usage',
      message: 'this needs a yes, and there is no terminal to ask on',
      evidence: about,
      fix: `${command} --yes`,
    });
  }
  print('stderr', `${more === undefined ? '' : `${await more()}\n`}${about}\n`);
  if (await isYes({ asker }, 'Go on? [y/N] ')) return;
  throw new AgentError({ code: 'confirm.declined', exit: 'notDone', message: 'nothing was done' });
}

/** One question on the terminal; whatever is no yes is a no. */
export async function isYes(
  { asker = terminal }: Pick<Context, 'asker'>,
  question: string,
): Promise<boolean> {
  return /^y(es)?$/i.test((await asker.askLine(question)).trim());
}
