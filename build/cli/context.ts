import type { Command } from 'commander';
import type { ExitName } from '../errors.ts';

/** What every command is given. */
export interface Context {
  /** Aborted by Ctrl-C and SIGTERM. Whoever stops for it cleans up and throws `interrupted()`. */
  readonly signal: AbortSignal;
  /** Ask for more than five seconds from a stop to the end of the process, in milliseconds. */
  readonly stopWithin: (ms: number) => void;
  /** The options that stand before or after any command. Read them when the command runs. */
  readonly globals: () => GlobalOptions;
  /**
   * The result of the command on stdout: one JSON document with --json, else the text. Progress and warnings go
   * to {@link note}, so that stdout holds nothing else.
   */
  readonly answer: (document: unknown, text: () => string) => void;
  /**
   * Something that happened on the way, one line of JSON on stdout; nothing without --json. A command that has events
   * ends with one of them, and not with {@link answer}.
   */
  readonly emit: (event: { readonly event: string; readonly [key: string]: unknown }) => void;
  /** A line for the person at the terminal, on stderr. */
  readonly note: (line: string) => void;
  /** For a command that has answered, and whose answer is no success: the exit code to end with. */
  readonly exitWith: (exit: ExitName) => void;
}

export interface GlobalOptions {
  readonly definition?: string | undefined;
  readonly json: boolean;
}

/** Adds one command, or one family of commands, to the program. */
export type Register = (program: Command, context: Context) => void;
