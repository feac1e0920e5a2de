import * as path from 'node:path';
import { keyFromEnvironment, TOKEN_VARIABLE, tokenFromEnvironment } from '../config/environment.ts';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';
import { keyFile } from '../identity/key-store.ts';
import type { Environment, Paths } from '../paths.ts';
import { OFFER_LIMIT, type Offer } from './judge.ts';
import { tokenFile } from './token-file.ts';

/** The folder of the CIDATA volume that is ours. */
export const SEED_FOLDER = 'clusteros';

const WANTED = ['cluster.key', 'cluster.token', 'node.yaml'];

/** What the seed says to the installer of a live medium; no node has any use for it. */
export const INSTALL_SETTINGS = 'install.yaml';

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
  const ignored = await files.readLimited(userDataIgnored(paths), OFFER_LIMIT);
  if (ignored !== undefined) {
    const content = { ignored: ignored.bytes.toString('utf8').trim() };
    offers.push({ source: 'seed', item: 'user-data', place: paths.seed, content });
  }
  const folder = path.join(paths.seed, SEED_FOLDER);
  for (const { name } of (await files.list(folder)) ?? []) {
    if (name === INSTALL_SETTINGS) continue;
    if (!WANTED.includes(name)) {
      const content = { ignored: `not a file that we look for (${WANTED.join(', ')})` };
      offers.push({ source: 'seed', item: printable(name), place: folder, content });
      continue;
    }
    const offer = await readOffer('seed', name, path.join(folder, name), false);
    if (offer !== undefined) offers.push(offer);
  }
  return offers;
}

/**
 * Changes whenever an offer, or the key or token that the node holds, may have changed: enrolment and a change of
 * the cluster key put another one there. Costs a few calls of lstat.
 */
export async function offersMark(paths: Paths): Promise<string> {
  const folder = path.join(paths.seed, SEED_FOLDER);
  const entries = [
    await files.look(folder),
    await files.look(userDataIgnored(paths)),
    await files.look(paths.config),
    await files.look(paths.configKey),
    await files.look(keyFile(paths.state)),
    await files.look(tokenFile(paths.state)),
  ];
  const inside = (await files.list(folder)) ?? [];
  return [
    ...entries.map((entry) => entry?.mark ?? '-'),
    ...inside.map(({ name, mark }) => `${name}=${mark}`),
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
