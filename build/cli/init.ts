import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import { seedFiles } from '../../firstboot/seed.ts';
import { writeVolume } from '../../firstboot/volume.ts';
import { DEFINITION_NAME, loadDefinition } from '../definition/load.ts';
import { definitionTemplate } from '../definition/template.ts';
import { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import type { Register } from './context.ts';
import { SCHEMA_FILE } from './schema.ts';
import { seedInput } from './seed.ts';

export const KEY_NAME = 'cluster.key';
/** FAT, for it can be edited by hand. */
export const SEED_NAME = 'seed.img';
/** What must never reach a repository: the key, and the seeds that carry it. */
const IGNORED = [KEY_NAME, 'seed/', 'seed.iso', 'seed.img'] as const;

export interface InitResult {
  readonly folder: string;
  readonly written: readonly string[];
  readonly kept: readonly string[];
  /** Why there is no seed yet: a program to make it is not installed. */
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
      if (result.seedMissing !== undefined) context.note(`clusteros: no seed yet: ${result.seedMissing}`);
      context.answer(result, () => resultAsText(result, dir));
    });
};

/**
 * Write the files of a new cluster into a folder: all of them, or none.
 *
 * @throws OperatorError `init.exists` when there is a definition and no `force`; `file.unwritable`
 */
export async function initialise(folder: string, force: boolean, signal?: AbortSignal): Promise<InitResult> {
  const definition = path.join(folder, DEFINITION_NAME);
  if (!force && (await files.exists(definition))) {
    throw new OperatorError({
      code: 'init.exists',
      message: `there is a definition already: ${definition}`,
      fix: 'choose another folder, or replace the definition (not the key) with --force',
    });
  }
  const existed = await files.exists(folder);
  const replaces = await files.exists(definition);
  // What to take away again when the rest fails: only what was not there before.
  const made: string[] = [];
  const written: string[] = [];
  const kept: string[] = [];
  try {
    await files.makeFolder(folder);
    if (!existed) made.push(folder);
    // The key is ignored before it exists: no moment at which `git add .` would take it.
    const ignore = path.join(folder, '.gitignore');
    const lines = (await files.exists(ignore)) ? await files.readText(ignore) : undefined;
    const wanted = ignoreText(lines ?? '');
    if (lines === undefined) made.push(ignore);
    if (wanted !== lines) await files.writeAtomic(ignore, wanted);
    (wanted === lines ? kept : written).push(ignore);

    const key = path.join(folder, KEY_NAME);
    if (await files.exists(key)) kept.push(key);
    else {
      await writeKey(key);
      made.push(key);
      written.push(key);
    }
    const schemaPath = path.relative(folder, SCHEMA_FILE);
    await files.writeAtomic(definition, definitionTemplate(nameFrom(folder), schemaPath));
    written.push(definition);
    if (!replaces) made.push(definition);

    const seed = path.join(folder, SEED_NAME);
    const seedMissing = await writeSeed(definition, seed, signal);
    if (seedMissing === undefined) written.push(seed);
    return { folder, written, kept, ...(seedMissing === undefined ? {} : { seedMissing }) };
  } catch (error) {
    for (const file of made) await files.remove(file);
    throw error;
  }
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

/** The lines of a .gitignore with ours among them. */
export function ignoreText(present: string): string {
  const lines = new Set(present.split('\n').map((line) => line.trim()));
  const missing = IGNORED.filter((name) => !lines.has(name));
  if (missing.length === 0) return present;
  const separator = present === '' || present.endsWith('\n') ? '' : '\n';
  return `${present}${separator}# Secrets of the cluster: they travel in the seed, never in a repository.\n${missing.join('\n')}\n`;
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
    path.relative(process.cwd(), folder) === '' ? '' : ` --definition ${path.join(dir, DEFINITION_NAME)}`;
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
