import * as path from 'node:path';
import { files } from '../../../build/host.ts';
import type { Seed } from '../machines.ts';
import { seedTexts } from '../systemd/seed-files.ts';

/** What a container has mounted as its seed, in place of what was there. */
export async function writeSeedFolder(seed: Seed, folder: string): Promise<void> {
  for (const name of await files.listFolder(folder)) await files.remove(path.join(folder, name));
  for (const { path: name, text } of seedTexts(seed)) {
    await files.writeAtomic(path.join(folder, name), text, 0o600);
  }
}
