#!/usr/bin/env node
/**
 * `npm test`: the set-up, then every test. `run-tests.mjs unit`, `cluster`, `integration`, `golden` (rewrites the goldens),
 * or the names of test files. See test/runner/ for the rest.
 */
import * as path from 'node:path';
import { ensureHostPrograms } from './host-programs.mjs';
import { becomePinnedNode } from './launch.mjs';
import { ensureNpmPackages, ROOT } from './npm-packages.mjs';
import { runMain } from './setup-error.mjs';

await runMain(async () => {
  const args = process.argv.slice(2);
  await ensureNpmPackages();
  ensureHostPrograms({ tests: true });
  const env = args.includes('golden') ? { CLUSTEROS_GOLDEN: 'write' } : {};
  becomePinnedNode([path.join(ROOT, 'test', 'runner', 'main.ts'), ...args], env);
});
