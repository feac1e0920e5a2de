import * as path from 'node:path';
import { files } from '../host.ts';
import type { Paths } from '../paths.ts';

/** Writes the issue file when its text changes, and has the waiting login prompts drawn again. */
export function createConsole(paths: Paths): (text: string) => Promise<void> {
  let shown: string | undefined;
  return async (text) => {
    if (text === shown) return;
    await files.makeFolder(path.dirname(paths.issue), 0o755);
    await files.writeVolatile(paths.issue, text, 0o644);
    await files.touch(paths.agettyReload);
    shown = text;
  };
}
