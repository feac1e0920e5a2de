import * as path from 'node:path';
import { readText } from '../../settings/text.ts';
import { keyFromEnvironment, TOKEN_VARIABLE, tokenFromEnvironment } from '../config/environment.ts';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';
import { keyFile } from '../identity/key-store.ts';
import { identityFile } from '../identity/store.ts';
import type { Environment, Paths } from '../paths.ts';
import { cloudMistakes } from './cloud-files.ts';
import { type CloudResult, parseCloudStatus } from './cloud-result.ts';
import { OFFER_LIMIT, type Offer } from './judge.ts';
import {
  CLOUD_FILES,
  entryOf,
  INSTALL_SETTINGS,
  isLitter,
  misnamed,
  NODE_FILES,
  SEED_FOLDER,
} from './names.ts';
import { heldSettingsFile } from './store.ts';
import { tokenFile } from './token-file.ts';

/** As the installer moves them. */
const LARGEST_CLOUD_FILE = 1024 * 1024;

/** All that is offered to the node now: by the environment, by the administrator's folder, by the seed. */
export async function collectOffers(paths: Paths, environment: Environment): Promise<Offer[]> {
  const offers: Offer[] = [];
  const variable = keyFromEnvironment(environment);
  if (variable !== undefined) {
    const bytes = Buffer.from(variable.text);
    offers.push({ source: 'environment', item: 'cluster.key', place: variable.variable, content: { bytes } });
  }
  const token = tokenFromEnvironment(environment);
  if (token !== undefined) {
    const bytes = Buffer.from(token);
    offers.push({ source: 'environment', item: 'cluster.token', place: TOKEN_VARIABLE, content: { bytes } });
  }
  const besideConfig = await readOffer('configuration', 'cluster.key', paths.configKey, true);
  if (besideConfig !== undefined) offers.push(besideConfig);
  return [...offers, ...(await seedOffers(paths))];
}

/** What the volume offers: the files of ours, what only looks like one, and what cloud-init will not do. */
async function seedOffers(paths: Paths): Promise<Offer[]> {
  const { root, folder, inside, deeper } = await listSeed(paths);
  const names = inside.map(({ name }) => name);
  const read = await Promise.all(
    NODE_FILES.map(async (item) => {
      const name = entryOf(names, item);
      return name === undefined ? undefined : readOffer('seed', item, path.join(folder, name), false);
    }),
  );
  const told = misnamed(
    root.map(({ name }) => name),
    names,
    deeper,
  );
  const ours = [...NODE_FILES, INSTALL_SETTINGS].map((item) => entryOf(names, item));
  const strange = names.filter(
    (name) =>
      !isLitter(name) && !ours.includes(name) && !told.some((it) => it.name === `${SEED_FOLDER}/${name}`),
  );
  const cloud = [...(await cloudOffers(paths, root)), ...(await cloudResultOffers(paths))];
  return [
    ...read.filter((offer) => offer !== undefined),
    ...told.map(({ name, reason }) => ignoredOffer(name.replace(`${SEED_FOLDER}/`, ''), folder, reason)),
    ...strange.map((name) => ignoredOffer(name, folder, NOT_OURS)),
    ...cloud,
  ];
}

const NOT_OURS = `not a file that we look for (${NODE_FILES.join(', ')})`;

function ignoredOffer(name: string, place: string, reason: string): Offer {
  return { source: 'seed', item: printable(name), place, content: { ignored: reason } };
}

/** What the volume holds. Letters may be large or small. */
async function listSeed({ seed }: Paths) {
  const root = (await files.list(seed)) ?? [];
  const name = entryOf(
    root.map((entry) => entry.name),
    SEED_FOLDER,
  );
  const folder = path.join(seed, name ?? SEED_FOLDER);
  const others = root.filter(
    (entry) => entry.kind === 'folder' && entry.name !== name && !isLitter(entry.name),
  );
  const deeper = await Promise.all(
    others.slice(0, MOST_FOLDERS).map(async (entry) => {
      const below = (await files.list(path.join(seed, entry.name))) ?? [];
      return [entry.name, below.map((it) => it.name)] as const;
    }),
  );
  return { root, folder, inside: (await files.list(folder)) ?? [], deeper: Object.fromEntries(deeper) };
}

/** A stick may be full of its owner's folders. */
const MOST_FOLDERS = 32;

async function cloudOffers(paths: Paths, root: readonly { readonly name: string }[]): Promise<Offer[]> {
  const kept = await files.readLimited(userDataIgnored(paths), OFFER_LIMIT);
  if (kept !== undefined) return [ignoredOffer('user-data', paths.seed, kept.bytes.toString('utf8').trim())];
  const entries = CLOUD_FILES.map((item) => ({
    item,
    name: entryOf(
      root.map(({ name }) => name),
      item,
    ),
  }));
  const there = entries.filter(({ name }) => name !== undefined).map(({ item }) => item);
  const lacking = (['meta-data', 'user-data'] as const).filter((item) => !there.includes(item));
  const offers: Offer[] = [];
  for (const { item, name } of entries) {
    if (name === undefined) continue;
    const offer = await readOffer('seed', item, path.join(paths.seed, name), false);
    const mistakes =
      offer !== undefined && 'bytes' in offer.content ? cloudMistakes(item, offer.content.bytes) : [];
    if (lacking.length > 0)
      offers.push(ignoredOffer(item, paths.seed, `${lacking.join(' and ')} must be there too`));
    else if (mistakes.length > 0)
      offers.push(ignoredOffer(item, paths.seed, mistakes.slice(0, 8).join('; ')));
    else if (offer !== undefined && 'refusal' in offer.content) offers.push(offer);
  }
  return offers;
}

/** By systemd's rules beside our own folder. */
function cloudStatus({ run }: Paths, name: 'status.json' | 'result.json'): string {
  return path.join(path.dirname(run), 'cloud-init', name);
}

async function cloudResultOffers(paths: Paths): Promise<Offer[]> {
  const text = await files.readLinked(cloudStatus(paths, 'status.json'), OFFER_LIMIT);
  const result = text === undefined ? undefined : parseCloudStatus(text.bytes.toString('utf8'));
  return [result === undefined ? undefined : cloudResultOffer(result)].filter((offer) => offer !== undefined);
}

/** What cloud-init says of its own work; nothing when all went well. */
export function cloudResultOffer({ errors, warnings }: CloudResult): Offer | undefined {
  const told = (what: string, stages: readonly string[]) =>
    `cloud-init reports ${what} (${stages.join(', ')}); see: sudo cloud-init status --long`;
  const offer = { source: 'seed', item: 'cloud-init', place: 'cloud-init' } as const;
  if (errors.length > 0) return { ...offer, content: { refusal: told('errors', errors) } };
  return warnings.length > 0 ? { ...offer, content: { ignored: told('warnings', warnings) } } : undefined;
}

/** The installer's own settings on the seed, and what only looks like them. */
export async function readInstallSettings(paths: Paths): Promise<{
  readonly file: string;
  readonly bytes: Buffer | undefined;
  readonly ignored: readonly string[];
}> {
  const { root, folder, inside, deeper } = await listSeed(paths);
  const names = inside.map(({ name }) => name);
  const file = path.join(folder, entryOf(names, INSTALL_SETTINGS) ?? INSTALL_SETTINGS);
  const found = await files.readLimited(file, OFFER_LIMIT);
  const told = misnamed(
    root.map(({ name }) => name),
    names,
    deeper,
  );
  return {
    file,
    bytes: found?.bytes,
    ignored: told.map(({ name, reason }) => `${printable(name)}: ${reason}`),
  };
}

/** The files for cloud-init, by their right names, in UTF-8. */
export async function readCloudFiles(
  paths: Paths,
): Promise<{ readonly name: string; readonly bytes: Uint8Array }[]> {
  const { root } = await listSeed(paths);
  const read = await Promise.all(
    CLOUD_FILES.map(async (name) => {
      const entry = entryOf(
        root.map((it) => it.name),
        name,
      );
      const found = entry && (await files.readLimited(path.join(paths.seed, entry), LARGEST_CLOUD_FILE));
      if (!found) return undefined;
      const { text } = readText(found.bytes);
      return { name, bytes: text === undefined ? found.bytes : Buffer.from(text) };
    }),
  );
  return read.filter((it) => it !== undefined);
}

/**
 * Changes whenever an offer, or what the node holds itself, may have changed: enrolment and a change of the cluster key
 * put another key there, and a file that is lost or damaged is told before a restart makes it matter. Costs a few calls
 * of lstat.
 */
export async function offersMark(paths: Paths): Promise<string> {
  const { root, inside } = await listSeed(paths);
  const entries = [
    await files.look(userDataIgnored(paths)),
    await files.look(cloudStatus(paths, 'status.json')),
    await files.look(cloudStatus(paths, 'result.json')),
    await files.look(paths.config),
    await files.look(paths.configKey),
    await files.look(identityFile(paths.state)),
    await files.look(heldSettingsFile(paths.state)),
    await files.look(keyFile(paths.state)),
    await files.look(tokenFile(paths.state)),
  ];
  return [
    ...entries.map((entry) => entry?.mark ?? '-'),
    ...[...root, ...inside].map(({ name, mark }) => `${name}=${mark}`),
  ].join('\n');
}

/** Why the seed's user-data was kept from cloud-init: admit-user-data of the image writes it. */
function userDataIgnored({ run }: Paths): string {
  return path.join(run, 'user-data-ignored');
}

/** @param secret refuse the file when others may read it; a seed on FAT has no modes to look at */
async function readOffer(
  source: Offer['source'],
  item: string,
  file: string,
  secret: boolean,
): Promise<Offer | undefined> {
  try {
    const found = await files.readLimited(file, OFFER_LIMIT);
    if (found === undefined) return undefined;
    const loose = secret && (found.mode & 0o077) !== 0;
    const content = loose ? { refusal: `others may read it; chmod 600 ${file}` } : { bytes: found.bytes };
    return { source, item, place: file, content };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { source, item, place: file, content: { refusal: error.message } };
  }
}

/** Names come from a stranger's volume and are shown on a terminal. */
function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
}
