/**
 * The two families of failure and the exit codes that they become.
 *
 * An {@link OperatorError} is something the person at the keyboard can put right: it says what happened, shows
 * the evidence and names the fix. Anything else that escapes is ours, and is reported with its stack.
 */

/** Exit codes of `clusteros-build`; printed by `--help`, so keep the texts short. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done' },
  internal: { code: 1, meaning: 'a fault of ours; please report it with the output' },
  usage: { code: 2, meaning: 'the command line, the definition or a key file is wrong' },
  missing: { code: 3, meaning: 'a host program or file is missing (see clusteros-build doctor --fix)' },
  network: { code: 4, meaning: 'a mirror or another machine could not be reached' },
  storage: { code: 5, meaning: 'a file or folder could not be read or written, or the disk is full' },
  command: { code: 6, meaning: 'a program that we ran failed; its last output is shown' },
  boot: { code: 7, meaning: 'a virtual machine did not reach the state that was waited for' },
  untrusted: {
    code: 8,
    meaning: 'an artifact is damaged, is not signed by the key, or is not what was built',
  },
  interrupted: { code: 130, meaning: 'stopped by Ctrl-C; what was half-made has been removed' },
} as const;

export type ExitName = keyof typeof EXIT_CODES;

export interface Problem {
  /** Stable, for scripts and tests: `definition.unknown-key`, `mirror.unreachable`. */
  readonly code: string;
  /** What happened, one sentence, without a full stop. */
  readonly message: string;
  /** What was seen: the end of a program's output, the offending line. */
  readonly evidence?: string | undefined;
  /** What the operator does next, as an order: `run clusteros-build doctor --fix`. */
  readonly fix?: string | undefined;
  readonly exit?: ExitName | undefined;
  readonly cause?: unknown;
}

/** A failure that the operator can mend. */
export class OperatorError extends Error {
  readonly code: string;
  readonly evidence: string | undefined;
  readonly fix: string | undefined;
  readonly exit: ExitName;

  constructor(problem: Problem) {
    super(problem.message, { cause: problem.cause });
    this.name = 'OperatorError';
    this.code = problem.code;
    this.evidence = problem.evidence;
    this.fix = problem.fix;
    this.exit = problem.exit ?? 'usage';
  }
}

/** The exit code for whatever was thrown. */
export function exitCodeOf(error: unknown): number {
  return error instanceof OperatorError ? EXIT_CODES[error.exit].code : EXIT_CODES.internal.code;
}

/** The text for a terminal: message, evidence indented, fix last. An error of ours keeps its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof OperatorError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `clusteros: a fault of ours, please report it\n${indent(text)}`;
  }
  const parts = [`clusteros: ${error.message}`];
  if (error.evidence) parts.push(indent(error.evidence));
  if (error.fix) parts.push(`  fix: ${error.fix}`);
  return parts.join('\n');
}

/** The same as a JSON document, for `--json`. */
export function errorAsJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof OperatorError)) {
    return {
      code: 'internal',
      exit: exitCodeOf(error),
      message: error instanceof Error ? error.message : String(error),
    };
  }
  const { code, message, evidence, fix } = error;
  return { code, exit: exitCodeOf(error), message, evidence, fix };
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '  ');
}
