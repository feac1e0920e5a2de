#!/usr/bin/env node
/** `clusteros-build`: see to the npm packages, then run build/main.ts with the pinned Node. */
import * as path from 'node:path';
import { becomePinnedNode } from './launch.mjs';
import { ensureNpmPackages, ROOT } from './npm-packages.mjs';
import { runMain } from './setup-error.mjs';

await runMain(async () => {
  await ensureNpmPackages();
  becomePinnedNode([path.join(ROOT, 'build', 'main.ts'), ...process.argv.slice(2)]);
});
