import type { Command } from 'commander';
import { OperatorError } from '../errors.ts';

/** The name of the quick cluster, on every command of its family. */
export function named(command: Command): Command {
  return command.option(
    '--name <name>',
    'which quick cluster: the first part of its names',
    clusterName,
    'clusteros',
  );
}

/** It is a part of paths, also of the one that `clean` removes. @throws OperatorError `flag.invalid` */
function clusterName(text: string): string {
  if (/^[a-z][a-z0-9-]{0,30}$/.test(text)) return text;
  throw new OperatorError({
    code: 'flag.invalid',
    message: `--name does not understand "${text}"`,
    fix: 'small letters, digits and dashes, 31 at most',
  });
}
