/** The folder that artifacts appear in: whole, or not at all. */
import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import { ownerLives, ownOwner } from './cache/owner.ts';
import { files } from './host.ts';

/** Half-made things, inside the output folder so that a rename moves them into place. */
const WORK = '.work';

/**
 * Give `use` a private work folder inside `output`, and remove it afterwards, whatever happens. What a killed
 * build left there is removed too.
 *
 * @throws OperatorError `file.unwritable`, before any work is done
 */
export async function withOutputFolder<T>(output: string, use: (work: string) => Promise<T>): Promise<T> {
  const all = path.join(output, WORK);
  await files.makeFolder(all);
  for (const name of await files.listFolder(all)) {
    if (!(await ownerLives(name))) await files.remove(path.join(all, name));
  }
  const work = await files.makeWorkFolder(all, await ownOwner());
  try {
    return await use(work);
  } finally {
    await files.remove(work);
    await files.removeIfEmpty(all);
  }
}

/**
 * Put a finished folder in the place of an earlier one. Readers see the old one or the new one, but for the
 * instant between two renames, when there is none; with two builds at once the last one stays, whole.
 */
export async function publishFolder(made: string, place: string, work: string): Promise<void> {
  // What makes way lies in the work folder, and goes with it.
  let aside = '';
  for (let tries = 0; ; tries++) {
    if (await files.exists(place)) {
      aside = path.join(work, `old-${randomBytes(4).toString('hex')}`);
      await files.moveIntoPlace(place, aside).catch(() => undefined);
    }
    try {
      await files.moveIntoPlace(made, place);
      return;
    } catch (error) {
      if (tries < 4) continue;
      // No race: the earlier artifact goes back to its place.
      if (aside !== '') await files.moveIntoPlace(aside, place).catch(() => undefined);
      throw error;
    }
  }
}
