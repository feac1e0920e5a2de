import * as path from 'node:path';
import { files, places } from '../host.ts';
import { lookInto, removeLeftovers } from '../output.ts';
import { digestFileOf, isOwnProgram } from '../program-file.ts';
import { removeRendered } from '../render/rendered-folder.ts';
import type { Register } from './context.ts';

/** Where artifacts appear, below the current folder. */
export const OUTPUT_FOLDER = 'dist';

export const registerClean: Register = (program, context) => {
  program
    .command('clean')
    .description('remove what we made in dist/ (the cache has its own command: cache prune)')
    .action(async () => {
      const folder = path.resolve(OUTPUT_FOLDER);
      const there = await files.exists(folder);
      const left = there ? await cleanFolder(folder) : [];
      const short = (file: string) => path.relative('.', file);
      context.answer({ removed: there && left.length === 0 ? folder : null, left }, () => {
        if (!there) return `there is no ${folder}`;
        if (left.length === 0) return `removed ${folder}`;
        return [
          `removed from ${folder} what we made; left, since no manifest of ours names it:`,
          ...left.map(short),
        ].join('\n');
      });
    });
};

/**
 * Remove artifacts, rendered folders and programs that we made, unchanged.
 *
 * @returns what stays: files and folders of others, and what was changed
 */
export async function cleanFolder(folder: string): Promise<string[]> {
  if ((await files.statOrUndefined(folder))?.isDirectory() === false) return [folder];
  await removeLeftovers(folder);
  for (const name of await files.listFolder(folder)) {
    const place = path.join(folder, name);
    const { kind } = await places.standingAt(place);
    if (kind === 'file' && (await isOwnProgram(place))) {
      for (const file of [place, digestFileOf(place)]) await files.remove(file);
    }
    if (kind !== 'folder') continue;
    for (const own of (await lookInto(place)).ours) await files.remove(path.join(place, own));
    await removeRendered(place);
    await files.removeIfEmpty(place);
  }
  const left = await files.listFolder(folder);
  if (left.length === 0 && (await places.standingAt(folder)).kind === 'folder')
    await files.removeIfEmpty(folder);
  return (await Promise.all(left.map((name) => path.join(folder, name)).map(leftIn))).flat();
}

/** A folder that holds little is told by what it holds. */
async function leftIn(place: string): Promise<string[]> {
  if ((await places.standingAt(place)).kind !== 'folder') return [place];
  const names = await files.listFolder(place);
  return names.length > 5 ? [`${place}/`] : names.map((name) => path.join(place, name));
}
