import * as path from 'node:path';
import { openCache } from '../cache.ts';
import { outputFile } from '../may-write.ts';
import { agentProgram } from '../pipeline.ts';
import { assertMayWriteProgram, writeProgram } from '../program-file.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import type { Register } from './context.ts';

export const registerAgent: Register = (program, context) => {
  program
    .command('agent')
    .description('build the node agent alone, for development: one executable file')
    .option('--output <file>', 'where the program appears', path.join(OUTPUT_FOLDER, 'node-agent'))
    .option('--force', 'replace a file that is not ours')
    .addHelpText(
      'after',
      `
Example:
  npx clusteros-build agent && dist/node-agent --help
`,
    )
    .action(async ({ output, force }: { readonly output: string; readonly force?: boolean }) => {
      const file = outputFile(output, 'the program');
      await assertMayWriteProgram(file, force === true);
      const built = await agentProgram(await openCache(), context.signal, context.note);
      await writeProgram(built, file);
      const { version, sha256, cached } = built;
      context.answer(
        { file, version, sha256, cached },
        () => `${path.relative('.', file)}  (version ${version})`,
      );
    });
};
