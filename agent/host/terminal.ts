import { createInterface } from 'node:readline/promises';

/** Is somebody there who can be asked? */
export function isInteractive(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** One line from the person at the terminal, without its line break; '' when the input ends. */
export async function askLine(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<string>((resolve) => {
      reader.once('close', () => resolve(''));
      reader.question(question).then(resolve, () => resolve(''));
    });
  } finally {
    reader.close();
  }
}
