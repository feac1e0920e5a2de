import { describe } from '../../settings/mistakes.ts';
import { AgentError } from '../errors.ts';

/** One mistake in one source of settings. Values are not repeated: a misplaced secret must not reach a log. */
export interface ConfigProblem {
  /** A file's path, or `environment`. */
  readonly source: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** `mesh.port`, or the variable's name; empty for the document itself. */
  readonly setting: string;
  /** What was expected, or what is wrong. */
  readonly expectation: string;
  /** The nearest valid word. */
  readonly nearest?: string | undefined;
}

/** `/etc/clusteros/node.yaml:3:5: mesh.prot: unknown key; expected one of port, range; did you mean port?` */
export function describeProblem(problem: ConfigProblem): string {
  const place = [problem.source, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  return describe(place, problem.setting, { text: problem.expectation, nearest: problem.nearest });
}

/** A file of another kind altogether has a mistake on each line. */
const MAX_SHOWN = 50;

/** All mistakes in one error. */
export function configError(problems: readonly ConfigProblem[]): AgentError {
  const shown = problems.slice(0, MAX_SHOWN).map(describeProblem);
  if (problems.length > MAX_SHOWN) shown.push(`and ${problems.length - MAX_SHOWN} more`);
  const count = problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`;
  return new AgentError({
    code: 'config.invalid',
    exit: 'usage',
    message: `the settings have ${count}`,
    evidence: shown.join('\n'),
    fix: 'correct the lines above; the agent reads them again within seconds (the environment: on a restart)',
  });
}
