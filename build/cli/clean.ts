import * as path from 'node:path';
import { files } from '../host.ts';
import type { Register } from './context.ts';

/** Where artifacts appear, below the current folder. */
export const OUTPUT_FOLDER = 'dist';

export const registerClean: Register = (program, context) => {
  program
    .command('clean')
    .description('remove dist/ in this folder (the cache has its own command: cache prune)')
    .action(async () => {
      const folder = path.resolve(OUTPUT_FOLDER);
      const there = await files.exists(folder);
      await files.remove(folder);
      context.answer({ removed: there ? folder : null }, () =>
        there ? `removed ${folder}` : `there is no ${folder}`,
      );
    });
};
