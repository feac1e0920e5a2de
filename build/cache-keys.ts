import { type CacheKind, keyOf } from './cache.ts';
import type { Plan } from './definition/plan.ts';

/**
 * The keys of what a plan's stages leave in the cache. A key holds all that the stage's bytes depend on, and
 * nothing else: not where the definition lies, nor in which words its mirror was set.
 */
export function cacheKeysOf(plan: Plan): { kind: CacheKind; key: string }[] {
  return [{ kind: 'packages', key: packagesKey(plan) }];
}

/** The tree that the packages make, before any file of ours. */
export function packagesKey(plan: Plan): string {
  const { base, arch, apt, packages, initramfs, epoch } = plan;
  const { suites, components, keyring, snapshot } = apt;
  return keyOf({ base: base.name, arch, suites, components, keyring, snapshot, packages, initramfs, epoch });
}
