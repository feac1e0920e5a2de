import { runProgram } from './cli/program.ts';

// A reader that has seen enough (`| head`) is no failure, and no reason to stop: a build goes on to its end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runProgram(process.argv.slice(2));
