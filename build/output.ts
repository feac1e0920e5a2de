/** The folder that artifacts appear in: whole, or not at all; what others put beside them stays. */
import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import { isLeftover, ownOwner } from './cache/owner.ts';
import { OperatorError } from './errors.ts';
import { files } from './host.ts';
import { assertMayFill, inTheWay } from './may-write.ts';
import { MANIFEST, SIGNATURE, SUMS } from './trust/checksums.ts';
import { type ManifestView, viewManifest } from './trust/manifest-view.ts';
import { sbomName } from './trust/spdx.ts';

/** Half-made things, inside the output folder so that a rename moves them into place. */
const WORK = '.work';
/** As manifests name us. */
const TOOL = 'clusteros-build';

/**
 * Give `use` a private work folder inside `output`, and remove it afterwards, whatever happens. What a killed
 * build left there is removed too.
 *
 * @throws OperatorError `file.unwritable`, `output.kind`, `output.place`, before any work is done
 */
export async function withOutputFolder<T>(output: string, use: (work: string) => Promise<T>): Promise<T> {
  await assertMayFill(output, { what: 'the artifact', onDevice: BY_FLASH });
  const all = path.join(output, WORK);
  await files.makeFolder(all);
  await removeLeftovers(output);
  const work = await files.makeWorkFolder(all, await ownOwner());
  try {
    return await use(work);
  } finally {
    await files.remove(work);
    await files.removeIfEmpty(all);
  }
}

/** What killed builds left in an output folder. */
export async function removeLeftovers(output: string): Promise<void> {
  const all = path.join(output, WORK);
  for (const name of await files.listFolder(all)) {
    if (await isLeftover(name)) await files.remove(path.join(all, name));
  }
}

const BY_FLASH = (device: string) =>
  `npx clusteros-build image --target usb; sudo npx clusteros-build flash ${device} dist/NAME-usb/NAME-usb.img.zst`;

/** The names in a folder of artifacts: those that its manifest accounts for, and those that are not ours. */
export async function lookInto(folder: string): Promise<{ ours: string[]; others: string[] }> {
  for (let tries = 0; ; tries++) {
    const isFolder = (await files.statOrUndefined(folder))?.isDirectory() === true;
    const present = isFolder ? await files.listFolder(folder) : [];
    const named = await accountedFor(folder);
    // With its manifest gone since the look, another build is exchanging the folder right now.
    if (named.length === 0 && present.includes(MANIFEST) && tries < 20) continue;
    return {
      ours: present.filter((name) => named.includes(name)),
      others: present.filter((name) => !named.includes(name)),
    };
  }
}

/** None when there is no manifest of ours. */
async function accountedFor(folder: string): Promise<string[]> {
  const file = path.join(folder, MANIFEST);
  const view = (await files.exists(file)) ? await manifestIn(file) : undefined;
  if (view === undefined) return [];
  const named = view.artifacts.flatMap((artifact) => [artifact.file, sbomName(artifact.file)]);
  return [...named, SUMS, SIGNATURE, MANIFEST];
}

async function manifestIn(file: string): Promise<ManifestView | undefined> {
  try {
    const view = viewManifest(await files.readText(file));
    return typeof view === 'string' || view.tool.name !== TOOL ? undefined : view;
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'file.unreadable') return undefined;
    throw error;
  }
}

/**
 * Before the work: what is named like the new artifact and is none of ours would be lost.
 *
 * @throws OperatorError `output.exists`, unless forced
 */
export async function assertMayPublish(
  place: string,
  names: readonly string[],
  force: boolean,
): Promise<void> {
  const artifact = { what: 'the artifact', onDevice: BY_FLASH };
  await assertMayFill(path.dirname(place), artifact);
  await assertMayFill(place, artifact);
  const { others } = await lookInto(place);
  const lost = names.filter((name) => others.includes(name));
  const intent = { what: 'the artifact', force };
  if (lost.length > 0 && !force)
    throw inTheWay(
      lost.map((name) => path.join(place, name)),
      intent,
    );
}

/**
 * Put a finished folder in the place of an earlier one. Readers see the old one or the new one, but for the
 * instant between two renames, when there is none; with two builds at once the last one stays, whole. A folder that
 * holds what is not ours too is filled file by file, the manifest last, and that is not touched.
 */
export async function publishFolder(made: string, place: string, work: string): Promise<void> {
  const { ours, others } = await lookInto(place);
  if (others.length > 0) return fillFolder(made, place, ours);
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

async function fillFolder(made: string, place: string, ours: readonly string[]): Promise<void> {
  // Without a manifest the folder is no artifact: from here on until the end.
  for (const name of [MANIFEST, ...ours]) await files.remove(path.join(place, name));
  const names = await files.listFolder(made);
  for (const name of [...names.filter((each) => each !== MANIFEST), MANIFEST]) {
    if (names.includes(name)) await files.moveIntoPlace(path.join(made, name), path.join(place, name));
  }
}
