import type { Command } from 'commander';

/** The name of the quick cluster, on every command of its family. */
export function named(command: Command): Command {
  return command.option('--name <name>', 'which quick cluster: the first part of its names', 'clusteros');
}
