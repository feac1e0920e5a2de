import { files } from '../../../build/host.ts';
import { writeVolume } from '../../../firstboot/volume.ts';
import type { Seed } from '../machines.ts';
import { seedTexts } from '../systemd/seed-files.ts';

/**
 * The volume for any number of machines: what the agent reads. Without user-data cloud-init does not run, which
 * would take a quarter of each boot here; test/integration/first-boot.test.ts has it.
 */
export async function writeSeed(seed: Seed, file: string): Promise<void> {
  await files.remove(file);
  await writeVolume(seedTexts(seed), 'iso', file);
}
