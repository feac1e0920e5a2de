import { writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { stringify } from 'yaml';
import type { Plan } from '../build/definition/plan.ts';
import { clock, tryRun, which } from '../build/host.ts';

/** How long vmdb2 takes for the same packages, or why it could not be asked. */
export async function vmdb2Seconds(plan: Plan, folder: string): Promise<number | string> {
  if ((await which('vmdb2')) === undefined) return 'not installed';
  const recipe = path.join(folder, 'vmdb2.yaml');
  const image = path.join(folder, 'vmdb2.raw');
  writeFileSync(recipe, stringify(vmdb2Recipe(plan)));
  const start = clock.monotonicMs();
  const result = await tryRun(['vmdb2', '--output', image, recipe], { cwd: folder, timeoutMs: 300_000 });
  if (result.exitCode === 0) return (clock.monotonicMs() - start) / 1000;
  return `failed here: ${(result.stderr || result.stdout).trim().split('\n').at(-1) ?? ''}`;
}

/** The smallest recipe of vmdb2(1) that gives a root file system with these packages in an image. */
function vmdb2Recipe(plan: Plan) {
  return {
    steps: [
      { mkimg: '{{ output }}', size: '4G' },
      { mklabel: 'gpt', device: '{{ output }}' },
      { mkpart: 'primary', device: '{{ output }}', start: '1M', end: '100%', tag: 'root' },
      { kpartx: '{{ output }}' },
      { mkfs: 'ext4', partition: 'root' },
      { mount: 'root' },
      { debootstrap: plan.base.suite, mirror: plan.apt.mirror, target: 'root' },
      { apt: 'install', packages: plan.packages, 'fs-tag': 'root', tag: 'root' },
    ],
  };
}
