#!/usr/bin/env node
/** Set-up of a fresh machine: the locked npm packages, then the host programs. Safe to run at any time. */
import { ensureHostPrograms } from './host-programs.mjs';
import { ensureNpmPackages } from './npm-packages.mjs';
import { runMain } from './setup-error.mjs';

await runMain(async () => {
  const npm = await ensureNpmPackages();
  const programs = ensureHostPrograms();
  if (npm || programs.length > 0) process.stderr.write('clusteros: the set-up is complete\n');
});
