import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import {
  describeError,
  EXIT_CODES,
  type ExitName,
  errorAsJson,
  exitCodeOf,
  OperatorError,
} from '../errors.ts';
import { clock, interrupted } from '../host.ts';
import { secretIn } from '../secrets.ts';
import { registerAgent } from './agent.ts';
import { registerBoot } from './boot.ts';
import { registerCache } from './cache.ts';
import { registerClean } from './clean.ts';
import { registerCluster } from './cluster.ts';
import type { Context, GlobalOptions, Register } from './context.ts';
import { registerDoctor } from './doctor.ts';
import { registerFlash } from './flash.ts';
import { registerImage } from './image.ts';
import { registerInit } from './init.ts';
import { listenForStop } from './interrupt.ts';
import { registerSignKey } from './key.ts';
import { registerPlan } from './plan.ts';
import { registerRender } from './render.ts';
import { registerSchema } from './schema.ts';
import { registerSeed } from './seed.ts';
import { registerSign } from './sign.ts';
import { registerVerify } from './verify.ts';

/** The commands, in the order of `--help`. */
const COMMANDS: readonly Register[] = [
  registerInit,
  registerPlan,
  registerRender,
  registerImage,
  registerSeed,
  registerFlash,
  registerBoot,
  registerCluster,
  registerSignKey,
  registerSign,
  registerVerify,
  registerAgent,
  registerDoctor,
  registerCache,
  registerSchema,
  registerClean,
];

/** Where a run's words go. */
export interface Output {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

/**
 * Run one command line to its end.
 *
 * With --json, stdout gets exactly one JSON document: the command's result, or `{ "event": "error", "error": ... }`
 * on one line; `image` writes lines of events, of which these are the last. Without it, results are text on stdout and
 * errors are text on stderr.
 *
 * @returns the exit code
 */
export async function runProgram(args: readonly string[], output: Output = terminal): Promise<number> {
  const stop = listenForStop(clock.monotonicMs, (line) => output.stderr(`${line}\n`));
  let exit: ExitName = 'ok';
  const exitWith = (name: ExitName) => {
    exit = name;
  };
  try {
    assertNoSecret(args);
    await makeProgram({ ...output, signal: stop.signal, stopWithin: stop.allow, exitWith }).parseAsync(args, {
      from: 'user',
    });
    return EXIT_CODES[exit].code;
  } catch (thrown) {
    const error = errorOf(thrown, stop.signal);
    if (error === undefined) return EXIT_CODES.ok.code;
    if (wantsJson(args)) output.stdout(`${JSON.stringify({ event: 'error', error: errorAsJson(error) })}\n`);
    else output.stderr(`${describeError(error)}\n`);
    return exitCodeOf(error);
  } finally {
    stop.end();
  }
}

/**
 * Every user of a machine sees the arguments of all programs, and messages repeat them.
 *
 * @throws OperatorError `usage.secret`
 */
function assertNoSecret(args: readonly string[]): void {
  for (const arg of ownArguments(args)) {
    const value = arg.replace(/^--[\w-]+=/, '');
    const secret = /\w=\w/.test(value) ? undefined : secretIn(Buffer.from(value));
    if (secret === undefined) continue;
    throw new OperatorError({
      code: 'usage.secret',
      message: `an argument is ${secret}: a file is expected, as everybody on this machine can read arguments`,
      fix: 'write it into a file of yours alone (umask 077), and name that file; it is in the history of your shell now',
    });
  }
}

/** The program with all its commands. Parsing a command line runs one. */
export function makeProgram(
  output: Output & Pick<Context, 'signal' | 'stopWithin' | 'exitWith'>,
  commands: readonly Register[] = COMMANDS,
): Command {
  const program = new Command('clusteros-build')
    .description('Builds one bootable image that turns machines into a cluster, and boots it.')
    .version(manifest.version, '--version', 'print the version')
    .option(
      '--definition <file>',
      'the definition (default: cluster.yaml in this folder, else the built-in one)',
    )
    .option(
      '--json',
      'for programs: one JSON document on stdout, the result or {"error": ...}; image: an event per line',
      false,
    )
    .helpOption('-h, --help', 'explain a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: output.stdout, writeErr: output.stderr, outputError: () => {} })
    .exitOverride()
    .addHelpText('after', helpEpilogue());
  const context: Context = {
    signal: output.signal,
    stopWithin: output.stopWithin,
    exitWith: output.exitWith,
    globals: () => program.opts<GlobalOptions>(),
    answer: (document, text) => {
      const asJson = program.opts<GlobalOptions>().json;
      output.stdout(`${asJson ? JSON.stringify(document, undefined, 2) : text().trimEnd()}\n`);
    },
    emit: (event) => {
      if (program.opts<GlobalOptions>().json) output.stdout(`${JSON.stringify(event)}\n`);
    },
    note: (line) => output.stderr(`${line}\n`),
  };
  for (const register of commands) register(program, context);
  return program;
}

/** What was thrown as an error to report; undefined when commander only wanted to leave after --help. */
function errorOf(thrown: unknown, signal: AbortSignal): unknown {
  // Whatever fails after a stop was asked for fails because of it.
  if (signal.aborted)
    return thrown instanceof OperatorError && thrown.exit === 'interrupted' ? thrown : interrupted(thrown);
  if (!(thrown instanceof CommanderError)) return thrown;
  if (thrown.exitCode === 0) return undefined;
  const [message = '', ...hints] = thrown.message.replace(/^error: /, '').split('\n');
  return new OperatorError({
    code: 'usage',
    message:
      thrown.code === 'commander.help'
        ? 'which command?'
        : `${message}${hints.length > 0 ? ` ${hints.join(' ')}` : ''}`,
    fix: 'see: npx clusteros-build --help',
  });
}

function wantsJson(args: readonly string[]): boolean {
  return ownArguments(args).includes('--json');
}

/** What follows `--` is another program's. */
function ownArguments(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? undefined : end);
}

function helpEpilogue(): string {
  const codes = Object.values(EXIT_CODES).map(
    ({ code, meaning }) => `  ${String(code).padEnd(4)} ${meaning}`,
  );
  return `
Examples:
  npx clusteros-build init mycluster            write a definition and a cluster key
  npx clusteros-build plan                      show what would be built
  npx clusteros-build doctor --fix              install what this machine lacks

Exit codes:
${codes.join('\n')}
`;
}

const terminal: Output = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
};
