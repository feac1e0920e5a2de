#!/usr/bin/env node
/** Run one TypeScript file of this clone with the pinned Node: `node bin/run.mjs bench/image.ts [ARG...]`. */
import { becomePinnedNode } from './launch.mjs';
import { ensureNpmPackages } from './npm-packages.mjs';
import { runMain, SetupError } from './setup-error.mjs';

await runMain(async () => {
  if (process.argv.length < 3)
    throw new SetupError('which file? node bin/run.mjs FILE [ARG...]', { exitCode: 2 });
  await ensureNpmPackages();
  becomePinnedNode(process.argv.slice(2));
});
