/**
 * Which file of a seed a name means. People make seeds by hand: Notepad puts .txt behind every name, old tools write
 * capitals, browsers number what they save again. Letters may be large or small, as on FAT; whatever else looks like
 * one of our files is told, with its right name. Pure.
 */
import { nearestWord } from '../../settings/mistakes.ts';

/** The folder of the CIDATA volume that is ours. */
export const SEED_FOLDER = 'clusteros';

/** Of a stick of ours: what one copies from. */
const SAMPLE_FOLDER = 'examples';

/** What the seed says to the installer of a live medium; no node has any use for it. */
export const INSTALL_SETTINGS = 'install.yaml';

/** What a node takes out of the folder. */
export const NODE_FILES = ['cluster.key', 'cluster.token', 'node.yaml'] as const;

/** What cloud-init reads, beside the folder. */
export const CLOUD_FILES = ['meta-data', 'user-data', 'network-config', 'vendor-data'] as const;

const OURS: readonly string[] = [...NODE_FILES, INSTALL_SETTINGS, ...CLOUD_FILES];

/** The entry that a name stands for, exactly or but for the size of its letters. */
export function entryOf(names: readonly string[], wanted: string): string | undefined {
  return names.find((name) => name === wanted) ?? names.find((name) => name.toLowerCase() === wanted);
}

/** What computers leave on every drive. */
const LITTER =
  /^(\._|\.DS_Store|\.Trash|\.fseventsd|\.Spotlight|System Volume Information|\$RECYCLE|Thumbs\.db|desktop\.ini)/i;

export function isLitter(name: string): boolean {
  return LITTER.test(name);
}

/**
 * Names that will not be read though they look like ours, each with what to do about it.
 *
 * @param root what is on the volume
 * @param folder what is in its folder for us
 * @param deeper what is in the other folders of the volume
 */
export function misnamed(
  root: readonly string[],
  folder: readonly string[],
  deeper: Readonly<Record<string, readonly string[]>> = {},
): { readonly name: string; readonly place: string; readonly reason: string }[] {
  const within = (names: readonly string[], here: readonly string[], place: string) =>
    names
      .filter((name) => !isLitter(name) && !here.some((wanted) => entryOf(names, wanted) === name))
      .flatMap((name) => {
        const meant = meantBy(name);
        if (meant === undefined) return [];
        const right = CLOUD_FILES.some((file) => file === meant) ? meant : `${SEED_FOLDER}/${meant}`;
        const there = here.includes(meant) && entryOf(names, meant) !== undefined;
        const reason = there
          ? `${meant} is there too, and is the one that is read`
          : `expected ${right}: rename it`;
        return [{ name: `${place}${name}`, place, reason }];
      });
  const inFolder = [...NODE_FILES, INSTALL_SETTINGS];
  const folders = root.filter(
    (name) => name !== entryOf(root, SEED_FOLDER) && squeezed(name) === SEED_FOLDER,
  );
  // Whoever drags a folder onto a stick gets that folder, and not what is in it.
  const tooDeep = Object.entries(deeper).filter(
    ([name, names]) =>
      !folders.includes(name) &&
      name.toLowerCase() !== SAMPLE_FOLDER &&
      [SEED_FOLDER, ...OURS].some((wanted) => entryOf(names, wanted) !== undefined),
  );
  return [
    ...within(root, CLOUD_FILES, ''),
    ...tooDeep.map(([name]) => ({ name, place: '', reason: NOT_DEEPER })),
    ...folders.map((name) => ({ name, place: '', reason: `expected the folder ${SEED_FOLDER}: rename it` })),
    ...within(folder, inFolder, `${SEED_FOLDER}/`),
  ];
}

const NOT_DEEPER = 'a seed is in it, one folder too deep: move what is in it to the top of the volume';

/** `Cluster.Key (1).txt` means `cluster.key`. */
function meantBy(name: string): string | undefined {
  const bare = name
    .toLowerCase()
    .replace(/^(copy of|kopie von) /, '')
    .replace(/(\.(txt|text|bak|old|orig|new|rtf|doc|docx|md|conf|cfg)|~| \(\d+\)| - (copy|kopie))+$/, '')
    .replace(/ \(\d+\)(?=\.)/, '')
    .replace(/\.yml$/, '.yaml');
  const same = OURS.find((file) => squeezed(file) === squeezed(bare));
  if (same !== undefined) return same;
  const withoutKind = OURS.find((file) => squeezed(file) === squeezed(bare.replace(/\.(yaml|json)$/, '')));
  return withoutKind ?? OURS.find((file) => file.replace(/\.yaml$/, '') === bare) ?? nearestWord(bare, OURS);
}

function squeezed(name: string): string {
  return name.toLowerCase().replace(/[\s._-]/g, '');
}
