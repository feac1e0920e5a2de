import { createProgram } from './cli/program.ts';
import { describeError, errorAsJson, exitCodeOf } from './errors.ts';
import { processes } from './host.ts';
import { pathsFrom } from './paths.ts';

processes.tightenUmask();
const argv = processes.argumentsGiven();
const environment = processes.environment();
try {
  const program = createProgram({ environment, paths: pathsFrom(environment), print: processes.print });
  processes.setExitCode(await program(argv));
} catch (error) {
  const json = argv.includes('--json');
  const text = json ? JSON.stringify({ error: errorAsJson(error) }) : describeError(error);
  processes.print(json ? 'stdout' : 'stderr', `${text}\n`);
  processes.setExitCode(exitCodeOf(error));
}
