import { files } from '../../../build/host.ts';
import { seedFiles } from '../../../firstboot/seed.ts';
import { writeVolume } from '../../../firstboot/volume.ts';
import type { Seed } from '../machines.ts';

/** The volume as `clusteros-build seed` makes it, for any number of machines, with the settings that a test wants. */
export async function writeSeed({ key, nodeYaml, token }: Seed, file: string): Promise<void> {
  const usual = seedFiles({
    clusterName: 'clusteros',
    user: 'clusteros',
    authorizedKeys: [],
    timezone: 'UTC',
    network: 'dhcp',
    clusterKey: key,
    join: [],
  });
  const settled = usual.map((each) =>
    each.path === 'clusteros/node.yaml' && nodeYaml !== undefined ? { ...each, text: nodeYaml } : each,
  );
  const all = token === undefined ? settled : [...settled, { path: 'clusteros/token', text: `${token}\n` }];
  await files.remove(file);
  await writeVolume(all, 'iso', file);
}
