import { Command, CommanderError } from 'commander';
import { AgentError, EXIT_CODES } from '../errors.ts';
import type { Context, Options } from './context.ts';

type Action = (context: Context, options: Options) => Promise<void>;

interface CommandRow {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** Loaded when it is run: `version` must not pay for the daemon. */
  readonly load: () => Promise<Action>;
}

/** Every command, in the order of the help. */
const COMMANDS: readonly CommandRow[] = [
  {
    name: 'init',
    summary: 'give this machine its identity and take its seed; running it again changes nothing',
    examples: ['sudo node-agent init', 'sudo node-agent init --json'],
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'start',
    summary: 'run the agent in the foreground, as node-agent.service does; --json logs JSON lines',
    examples: ['systemctl start node-agent', 'sudo node-agent start'],
    load: async () => (await import('./start.ts')).start,
  },
  {
    name: 'status',
    summary: 'how the node is, what it waits for and what would end that',
    examples: ['node-agent status', 'node-agent status --json'],
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'info',
    summary: 'what the node is: id, keys, settings; works without a running agent too',
    examples: ['node-agent info', 'node-agent info --json'],
    load: async () => (await import('./info.ts')).info,
  },
  {
    name: 'version',
    summary: 'the version of this program',
    examples: ['node-agent version', 'node-agent version --json'],
    load: async () => (await import('./version.ts')).version,
  },
];

/** The command line. @returns a function from the arguments to the exit code; it throws what went wrong */
export function createProgram(context: Context): (argv: readonly string[]) => Promise<number> {
  const program = new Command('node-agent')
    .description('The agent of a Cluster-OS node.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.print('stdout', text), writeErr: () => {} })
    .helpCommand(false)
    .addHelpText('after', `\n${exitCodeHelp()}`);
  for (const row of COMMANDS) {
    program
      .command(row.name)
      .description(row.summary)
      .option('--json', 'print JSON')
      .allowExcessArguments(false)
      .addHelpText(
        'after',
        `\nExamples:\n${row.examples.map((line) => `  ${line}`).join('\n')}\n\n${exitCodeHelp()}`,
      )
      .action(async (options: Options) => (await row.load())(context, options));
  }
  return async (argv) => {
    try {
      if (argv.length === 0) program.outputHelp();
      else await program.parseAsync(argv, { from: 'user' });
      return EXIT_CODES.ok.code;
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode === 0) return EXIT_CODES.ok.code;
      throw usageError(error);
    }
  };
}

function exitCodeHelp(): string {
  const lines = Object.values(EXIT_CODES).map(
    ({ code, meaning }) => `  ${String(code).padEnd(3)} ${meaning}`,
  );
  return `Exit codes:\n${lines.join('\n')}`;
}

function usageError(error: CommanderError): AgentError {
  return new AgentError({
    code: 'usage',
    exit: 'usage',
    message: error.message.replace(/^error: /, '').replace(/\n/g, ' '),
    fix: 'node-agent --help',
    cause: error,
  });
}
