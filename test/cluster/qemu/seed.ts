import { files } from '../../../build/host.ts';
import { writeVolume } from '../../../firstboot/volume.ts';
import type { Seed } from '../machines.ts';

/**
 * The volume for any number of machines: what the agent reads. Without user-data cloud-init does not run, which
 * would take a quarter of each boot here; test/integration/first-boot.test.ts has it.
 */
export async function writeSeed({ key, nodeYaml, token }: Seed, file: string): Promise<void> {
  const texts = {
    'clusteros/cluster.key': key && `${key}\n`,
    'clusteros/cluster.token': token && `${token}\n`,
    'clusteros/node.yaml': nodeYaml,
  };
  const all = Object.entries(texts).flatMap(([path, text]) => (text === undefined ? [] : [{ path, text }]));
  await files.remove(file);
  await writeVolume(all, 'iso', file);
}
