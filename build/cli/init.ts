import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import { seedFiles } from '../../firstboot/seed.ts';
import { SEED_INTENT, writeVolume } from '../../firstboot/volume.ts';
import { encodingOf } from '../../settings/text.ts';
import { DEFINITION_NAME, loadDefinition } from '../definition/load.ts';
import { definitionTemplate } from '../definition/template.ts';
import { OperatorError } from '../errors.ts';
import { fileSystemName, MODELESS_FIX } from '../file-systems.ts';
import { files, pasteable, places } from '../host.ts';
import { assertMayFill, assertMayWrite, writeOutput } from '../may-write.ts';
import type { Register } from './context.ts';
import { SCHEMA_FILE } from './schema.ts';
import { seedInput } from './seed.ts';

export const KEY_NAME = 'cluster.key';
/** FAT, for it can be edited by hand. */
const SEED_NAME = 'seed.img';
/** What must never reach a repository: the key, and the seeds that carry it. */
const IGNORED = [KEY_NAME, 'seed/', 'seed.iso', 'seed.img'] as const;

interface InitResult {
  readonly folder: string;
  readonly written: readonly string[];
  readonly kept: readonly string[];
  /** Why no seed was written: a program to make it is not installed, or one is there that is not ours to replace. */
  readonly seedMissing?: string;
}

export const registerInit: Register = (program, context) => {
  program
    .command('init')
    .argument('[dir]', 'folder, made when it is not there', '.')
    .description(
      'write a commented definition, a fresh cluster key, a seed, and a .gitignore that keeps both out',
    )
    .option('--force', 'replace an existing definition; a key is never replaced')
    .action(async (dir: string, { force }: { force?: boolean }) => {
      const result = await initialise(path.resolve(dir), force === true, context.signal);
      if (result.seedMissing !== undefined)
        context.note(`clusteros: no seed was written: ${result.seedMissing}`);
      context.answer(result, () => resultAsText(result, dir));
    });
};

/**
 * Write the files of a new cluster into a folder: all of them, or none. A seed that was edited, or is not ours, stays.
 *
 * @throws OperatorError `init.exists` when there is a definition and no `force`; `key.no-modes`; `output.*`;
 *   `file.unwritable`
 */
async function initialise(folder: string, force: boolean, signal?: AbortSignal): Promise<InitResult> {
  const place = (name: string) => path.join(folder, name);
  const [ignore, key, definition, seed] = ['.gitignore', KEY_NAME, DEFINITION_NAME, SEED_NAME].map(place) as [
    string,
    string,
    string,
    string,
  ];
  await assertMayFill(folder, { what: 'a cluster' });
  const replaces = await files.exists(definition);
  if (!force && replaces) {
    throw new OperatorError({
      code: 'init.exists',
      message: `there is a definition already: ${definition}`,
      fix: 'choose another folder, or replace the definition (not the key) with --force',
    });
  }
  await assertMayWrite(ignore, { what: 'the list of what git ignores', ours: () => true });
  await assertMayWrite(definition, { what: 'the definition', force });
  if (!(await files.exists(key))) await assertMayWrite(key, { what: 'the cluster key' });
  const seedStays = await standsInTheWay(seed);
  const existed = await files.exists(folder);
  // What to take away again when the rest fails: only what was not there before.
  const made: string[] = [];
  const written: string[] = [];
  const kept: string[] = [];
  try {
    await files.makeFolder(folder);
    if (!existed) made.push(folder);
    const keyThere = await files.exists(key);
    if (!keyThere) await assertKeepsModes(folder);
    // The key is ignored before it exists: no moment at which `git add .` would take it.
    const present = (await files.exists(ignore)) ? await files.readBytes(ignore) : undefined;
    if (present === undefined) made.push(ignore);
    const added = ignoreLines(present ?? Buffer.alloc(0), ignore);
    if (added !== '')
      await files.writeAtomic(ignore, Buffer.concat([present ?? Buffer.alloc(0), Buffer.from(added)]));
    (added === '' ? kept : written).push(ignore);

    if (keyThere) kept.push(key);
    else {
      await writeKey(key);
      made.push(key);
      written.push(key);
    }
    const schemaPath = path.relative(folder, SCHEMA_FILE);
    const text = definitionTemplate(nameFrom(folder), schemaPath);
    await writeOutput(definition, text, { what: 'the definition', force });
    written.push(definition);
    if (!replaces) made.push(definition);

    if (seedStays !== undefined) kept.push(seed);
    const seedMissing = seedStays ?? (await writeSeed(definition, seed, signal));
    if (seedMissing === undefined) written.push(seed);
    return { folder, written, kept, ...(seedMissing === undefined ? {} : { seedMissing }) };
  } catch (error) {
    for (const file of made.toReversed()) await files.remove(file);
    throw error;
  }
}

/** Why there is a seed already that is not replaced; undefined when one may be written. */
async function standsInTheWay(seed: string): Promise<string | undefined> {
  try {
    await assertMayWrite(seed, { ...SEED_INTENT, force: false });
    return undefined;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return `${error.message}. It stays; to replace it: clusteros-build seed --format fat --force`;
  }
}

/** Before a key is made there. @throws OperatorError `key.no-modes` */
async function assertKeepsModes(folder: string): Promise<void> {
  if (await places.keepsModes(folder)) return;
  throw new OperatorError({
    code: 'key.no-modes',
    message: `no key is made in ${folder}: it lies on ${fileSystemName(await places.fileSystemOf(folder))}, which keeps no permissions, so every user of this machine could read the key; nothing was written`,
    fix: MODELESS_FIX,
  });
}

/** The seed of a definition. Without the programs for it the rest of the folder is still of use. */
async function writeSeed(
  definition: string,
  seed: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const input = await seedInput(await loadDefinition(definition), { format: 'fat', key: true });
    await writeVolume(seedFiles(input), 'fat', seed, signal);
    return undefined;
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'program.missing') throw error;
    return `${error.message}; run clusteros-build doctor --fix, then clusteros-build seed --format fat`;
  }
}

/** 32 random bytes in base64, only for the owner. Fails when the file is there, whoever made it. */
async function writeKey(file: string): Promise<void> {
  const handle = await files.openFile(file, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(32).toString('base64')}\n`);
    await handle.chmod(0o600);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * What a .gitignore lacks, to be put behind it: what is in it stays as it is, whatever its bytes.
 *
 * @throws OperatorError `init.ignore` for UTF-16, which git does not read
 */
export function ignoreLines(present: Buffer, file: string): string {
  const encoding = encodingOf(present);
  if (encoding !== 'utf-8') {
    throw new OperatorError({
      code: 'init.ignore',
      message: `${file} is in ${encoding.toUpperCase()}, which git does not read: it would not ignore the key`,
      fix: 'save it in UTF-8',
    });
  }
  const text = present.toString('latin1');
  const lines = new Set(text.split('\n').map((line) => line.trim()));
  const missing = IGNORED.filter((name) => !lines.has(name));
  if (missing.length === 0) return '';
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  return `${separator}# Secrets of the cluster: they travel in the seed, never in a repository.\n${missing.join('\n')}\n`;
}

/** A cluster's name from its folder's. */
export function nameFrom(folder: string): string {
  const words = path
    .basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  return (
    words
      .replace(/^[^a-z]+/, '')
      .slice(0, 32)
      .replace(/-+$/, '') || 'clusteros'
  );
}

function resultAsText({ folder, written, kept }: InitResult, dir: string): string {
  const short = (file: string) => path.relative(process.cwd(), file) || file;
  const where =
    path.relative(process.cwd(), folder) === ''
      ? ''
      : ` ${pasteable(['--definition', path.join(dir, DEFINITION_NAME)])}`;
  return [
    ...written.map((file) => `wrote ${short(file)}`),
    ...kept.map((file) => `kept  ${short(file)}`),
    '',
    `The cluster key (${KEY_NAME}) is what makes a machine a member: keep it safe, and off every repository.`,
    'Next:',
    `  npx clusteros-build plan${where}`,
    `  npx clusteros-build image${where}`,
    `  npx clusteros-build seed${where} --ssh-key ~/.ssh/id_ed25519.pub     for a seed that lets you log in`,
  ].join('\n');
}
