import { runProgram } from '../program.ts';

/** One call of the command line in this process, with what it says. */
export async function runCli(...args: string[]) {
  let [stdout, stderr] = ['', ''];
  const code = await runProgram(args, {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  return { code, stdout, stderr };
}
