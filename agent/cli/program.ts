import { Command, CommanderError } from 'commander';
import { AgentError, EXIT_CODES, type ExitName } from '../errors.ts';
import { VERSION } from '../version.ts';
import { COMMANDS, type CommandRow, type Run } from './commands.ts';
import type { Context, Options } from './context.ts';

/** The program with all its commands. Parsing a command line runs one. */
export function makeProgram(context: Context, ended: (as: ExitName) => void): Command {
  const program = new Command('node-agent')
    .description('The agent of a Cluster-OS node.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.print('stdout', text), writeErr: () => {} })
    .helpCommand(false)
    .version(VERSION, '-V, --version', 'the version of this program; more by the command version')
    .addHelpText('after', `\n${exitCodeHelp()}`);
  for (const row of COMMANDS) addCommand(program, row, context, ended);
  return program;
}

/** The command line. @returns a function from the arguments to the exit code; it throws what went wrong */
export function createProgram(context: Context): (argv: readonly string[]) => Promise<number> {
  let exit: ExitName = 'ok';
  const program = makeProgram(context, (as) => {
    exit = as;
  });
  return async (argv) => {
    try {
      if (argv.length === 0) program.outputHelp();
      else await program.parseAsync(argv, { from: 'user' });
      return EXIT_CODES[exit].code;
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode === 0) return EXIT_CODES.ok.code;
      throw usageError(error, argv);
    }
  };
}

function addCommand(
  program: Command,
  row: CommandRow,
  context: Context,
  ended: (as: ExitName) => void,
): void {
  const words = row.name.split(' ');
  const last = words.pop() ?? row.name;
  const parent = words.reduce(groupOf, program);
  const command = parent
    .command(row.args === undefined ? last : `${last} ${row.args}`, { hidden: row.hidden ?? false })
    .description(row.summary)
    .option('--json', 'print JSON')
    .allowExcessArguments(false)
    .addHelpText(
      'after',
      `\nExamples:\n${row.examples.map((line) => `  ${line}`).join('\n')}\n\n${exitCodeHelp()}`,
    );
  for (const [flags, meaning, usual] of row.options ?? []) command.option(flags, meaning, usual);
  command.action(async () => {
    const run = (await row.load()) as Run;
    ended((await run(context, command.opts<Options>(), command.args)) ?? 'ok');
  });
}

/** `token` and `key` are only names for what stands below them. */
function groupOf(parent: Command, word: string): Command {
  const known = parent.commands.find((command) => command.name() === word);
  if (known !== undefined) return known;
  const below = COMMANDS.filter(({ name }) => name.startsWith(`${word} `)).map(({ name }) => name);
  return parent.command(word).description(below.join(', ')).helpCommand(false);
}

function exitCodeHelp(): string {
  const lines = Object.values(EXIT_CODES).map(
    ({ code, meaning }) => `  ${String(code).padEnd(3)} ${meaning}`,
  );
  return `Exit codes:\n${lines.join('\n')}`;
}

/** What was wrong, and the help of the command that was meant, as far as one can be seen. */
function usageError(error: CommanderError, argv: readonly string[]): AgentError {
  const words = argv.slice(0, 2).join(' ');
  const below = COMMANDS.filter(({ name }) => name.startsWith(`${argv[0]} `)).map(({ name }) => name);
  const meant = COMMANDS.find(({ name }) => name === words || name === argv[0])?.name;
  const help = ['node-agent', ...[meant ?? (below.length > 0 ? argv[0] : undefined)], '--help']
    .filter(Boolean)
    .join(' ');
  return new AgentError({
    code: 'usage',
    exit: 'usage',
    // Commander's own word for a command that only stands for those below it.
    message:
      error.code === 'commander.help'
        ? `${argv[0]} what? ${below.join(', ')}`
        : error.message.replace(/^error: /, '').replace(/\n/g, ' '),
    fix: help,
    cause: error,
  });
}
