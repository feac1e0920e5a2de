/**
 * The two families of failure on a node. An {@link AgentError} can be put right by whoever administers the
 * node: it says what happened, shows the evidence and names the remedy. Whatever else escapes is ours.
 */

/** Exit codes of `node-agent`; printed by `--help`. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done' },
  internal: { code: 1, meaning: 'a fault of ours; please report it with the output' },
  usage: { code: 2, meaning: 'the command line or the configuration is wrong' },
  refused: { code: 3, meaning: 'the identity or a key was refused; nothing has been replaced' },
  notDone: { code: 4, meaning: 'nothing was done: the cluster cannot do it now, or it was not confirmed' },
  storage: { code: 5, meaning: 'a file or folder could not be read or written' },
  notRunning: { code: 6, meaning: 'the agent is not running, or does not answer' },
  alreadyRunning: { code: 7, meaning: 'another agent is running on this node' },
} as const;

export type ExitName = keyof typeof EXIT_CODES;

export interface Problem {
  /** Stable, for scripts and tests: `identity.mode`, `config.invalid`. */
  readonly code: string;
  /** What happened, one sentence, without a full stop. Never a secret. */
  readonly message: string;
  readonly evidence?: string | undefined;
  /** What to do next, as an order. */
  readonly fix?: string | undefined;
  readonly exit: ExitName;
  readonly cause?: unknown;
}

/** A failure that the administrator of the node can mend. */
export class AgentError extends Error {
  readonly code: string;
  readonly evidence: string | undefined;
  readonly fix: string | undefined;
  readonly exit: ExitName;

  constructor(problem: Problem) {
    super(problem.message, { cause: problem.cause });
    this.name = 'AgentError';
    this.code = problem.code;
    this.evidence = problem.evidence;
    this.fix = problem.fix;
    this.exit = problem.exit;
  }
}

/**
 * Is it one of the failures that the caller knows how to go on from?
 *
 * @param codes of {@link AgentError} or of the system (`ENOENT`); `etcd.` stands for all that begin so
 */
export function isExpected(error: unknown, ...codes: readonly string[]): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return false;
  return codes.some((known) => (known.endsWith('.') ? code.startsWith(known) : code === known));
}

/** For `.catch()`: nothing instead of an expected failure. Whatever else it is goes on. @throws the error */
export function expected(error: unknown, ...codes: readonly string[]): undefined {
  if (!isExpected(error, ...codes)) throw error;
}

export function exitCodeOf(error: unknown): number {
  return error instanceof AgentError ? EXIT_CODES[error.exit].code : EXIT_CODES.internal.code;
}

/** The text for a terminal: message, evidence indented, remedy last. An error of ours keeps its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof AgentError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `node-agent: a fault of ours, please report it\n${indent(text)}`;
  }
  const parts = [`node-agent: ${error.message}`];
  if (error.evidence) parts.push(indent(error.evidence));
  if (error.fix) parts.push(`  fix: ${error.fix}`);
  return parts.join('\n');
}

/** The same for `--json`. */
export function errorAsJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof AgentError)) {
    return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
  }
  return { code: error.code, message: error.message, evidence: error.evidence, fix: error.fix };
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '  ');
}
