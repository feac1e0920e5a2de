#!/usr/bin/env node
/**
 * Run one TypeScript file of this clone with the pinned Node, after the set-up that the tests need too:
 * `node bin/run.mjs bench/image.ts [ARG...]`. The benches use what the scenarios use: etcd, Serf, network namespaces.
 */
import { ensureHostPrograms } from './host-programs.mjs';
import { becomePinnedNode } from './launch.mjs';
import { ensureNpmPackages } from './npm-packages.mjs';
import { runMain, SetupError } from './setup-error.mjs';

await runMain(async () => {
  if (process.argv.length < 3)
    throw new SetupError('which file? node bin/run.mjs FILE [ARG...]', { exitCode: 2 });
  await ensureNpmPackages();
  ensureHostPrograms({ tests: true });
  becomePinnedNode(process.argv.slice(2));
});
