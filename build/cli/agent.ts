import * as path from 'node:path';
import { openCache } from '../cache.ts';
import { files } from '../host.ts';
import { agentProgram } from '../pipeline.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import type { Register } from './context.ts';

export const registerAgent: Register = (program, context) => {
  program
    .command('agent')
    .description('build the node agent alone, for development: one executable file')
    .option('--output <file>', 'where the program appears', path.join(OUTPUT_FOLDER, 'node-agent'))
    .addHelpText(
      'after',
      `
Example:
  npx clusteros-build agent && dist/node-agent --help
`,
    )
    .action(async ({ output }: { readonly output: string }) => {
      const built = await agentProgram(await openCache(), context.signal, context.note);
      const file = path.resolve(output);
      await files.copyAtomic(built.file, file, 0o755);
      const { version, sha256, cached } = built;
      context.answer(
        { file, version, sha256, cached },
        () => `${path.relative('.', file)}  (version ${version})`,
      );
    });
};
