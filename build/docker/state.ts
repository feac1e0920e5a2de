/** Files of a quick cluster on this machine: its seed, which carries the key, and its compose file. */
import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import * as path from 'node:path';
import { readClusterKey } from '../../firstboot/secrets.ts';
import { type SeedInput, seedFiles } from '../../firstboot/seed.ts';
import { files } from '../host.ts';

/** Private, and the same from every folder that commands are given in. */
export function stateFolderOf(
  cluster: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const state = env.XDG_STATE_HOME?.startsWith('/')
    ? env.XDG_STATE_HOME
    : path.join(env.HOME || homedir(), '.local', 'state');
  return path.join(state, 'clusteros', 'docker', cluster);
}

export function seedFolderOf(folder: string): string {
  return path.join(folder, 'seed');
}

/**
 * Lay out the seed, unless the cluster has one: nodes that come later get the key and settings of the first.
 *
 * @param keyFile the operator's key; undefined: one is made, for this cluster alone
 */
export async function prepareSeed(
  folder: string,
  { clusterName, nodes, keyFile }: { clusterName: string; nodes: number; keyFile: string | undefined },
): Promise<{ readonly fresh: boolean }> {
  const seed = seedFolderOf(folder);
  if (await files.exists(path.join(seed, 'clusteros', 'cluster.key'))) return { fresh: false };
  await files.makeFolder(folder, 0o700);
  const clusterKey =
    keyFile === undefined ? randomBytes(32).toString('base64') : await readClusterKey(keyFile);
  const input: SeedInput = {
    clusterName,
    user: 'clusteros',
    authorizedKeys: [],
    timezone: 'UTC',
    network: 'dhcp',
    clusterKey,
    // So that there is one cluster from the beginning, however fast the containers start.
    expect: nodes,
    join: [],
  };
  // The rest is for cloud-init, which a container has no use for. The key comes last: with it the seed is whole.
  const own = seedFiles(input).filter(({ path: name }) => name.startsWith('clusteros/'));
  for (const { path: name, text } of own.reverse())
    await files.writeAtomic(path.join(seed, name), text, 0o600);
  return { fresh: true };
}
