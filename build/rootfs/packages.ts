/**
 * The tree that the packages make: one mmdebstrap transaction for the union of all layers' packages, kept in the
 * cache as a tar file. Everything after it works on that file, without root.
 */
import * as path from 'node:path';
import { sourceDigest } from '../cache/source-digest.ts';
import { type Cache, keyOf } from '../cache.ts';
import type { Plan } from '../definition/plan.ts';
import { OperatorError } from '../errors.ts';
import { ENDS_WITH_US, files, proxy, run } from '../host.ts';
import { type ArchiveState, readArchive } from './archive.ts';
import { hookEnvironment, mmdebstrapArgv } from './mmdebstrap.ts';
import { requireNamespaces } from './namespaces.ts';
import { withWorkFolder } from './work-folder.ts';

export interface PackagesTree {
  readonly key: string;
  readonly tar: string;
  readonly archive: ArchiveState;
  /** SOURCE_DATE_EPOCH of everything in the image, seconds since 1970. */
  readonly epoch: number;
  readonly cached: boolean;
}

interface PackagesOptions {
  readonly cache: Cache;
  readonly signal: AbortSignal;
  /** Told what mmdebstrap is at, in a few words. */
  readonly onProgress?: (step: string) => void;
}

/**
 * @throws OperatorError `mirror.*`, `base.keyring`, `namespaces.*`, `packages.failed`, `disk.full`, `interrupted`
 */
export async function packagesTree(plan: Plan, options: PackagesOptions): Promise<PackagesTree> {
  const archive = await readArchive(plan.apt, options.signal);
  const epoch = plan.epoch ?? archive.date;
  const key = await packagesKey(plan, archive);
  const hit = await options.cache.lookup('packages', key);
  const entry =
    hit ?? (await options.cache.store('packages', key, (folder) => make(plan, epoch, folder, options)));
  return {
    key,
    tar: path.join(entry, TAR),
    archive,
    epoch,
    cached: hit !== undefined,
  };
}

const TAR = 'packages.tar';

/**
 * All that the tree's bytes depend on, and nothing else: not where the definition lies, nor which mirror of one
 * archive was asked, as the Release files' digests tell.
 */
export async function packagesKey(plan: Plan, archive: ArchiveState): Promise<string> {
  return keyOf({
    base: plan.base.name,
    arch: plan.arch,
    components: plan.apt.components,
    packages: plan.packages,
    initramfs: plan.initramfs,
    epoch: plan.epoch ?? archive.date,
    releases: archive.releases,
    recipe: await sourceDigest(import.meta.dirname),
  });
}

async function make(plan: Plan, epoch: number, folder: string, options: PackagesOptions): Promise<void> {
  await requireKeyring(plan);
  await requireNamespaces(options.signal);
  const debs = path.join(options.cache.folder, 'debs', plan.base.name);
  await files.makeFolder(debs);
  const asRoot = process.getuid?.() === 0;
  const proxies = await proxy.proxyEnvironment(plan.apt.suites.map(({ uri }) => uri));
  await withWorkFolder(folder, async (place) => {
    try {
      await run(
        [...ENDS_WITH_US, ...mmdebstrapArgv(plan, { ...place, tar: path.join(folder, TAR) }, asRoot)],
        {
          env: {
            ...hookEnvironment(plan, epoch, { work: place.work, debs, node: asRoot ? process.execPath : '' }),
            // Not as options of apt: those are arguments, which everybody can read, and a file of the image.
            ...proxies,
          },
          signal: options.signal,
          // unshare(1) puts SIGTERM off until its child has ended, and mmdebstrap does not pass it on into its user
          // namespace. Their mounts go with their processes.
          killAtOnce: true,
          onLine: (line) => {
            const step = stepOf(line);
            if (step !== undefined) options.onProgress?.(step);
          },
        },
      );
    } catch (cause) {
      throw explain(plan, cause);
    }
  });
}

/** What a line of mmdebstrap's or dpkg's output says about where they are. */
function stepOf(line: string): string | undefined {
  const step = /^I: (running|installing|extracting|creating|downloading|updating)([^/]*)/.exec(line);
  if (step !== null) return `${step[1]}${step[2]}`.trim();
  const unpacking = /^(Unpacking|Setting up) ([a-z0-9.+-]+)/.exec(line);
  if (unpacking !== null) return `${unpacking[1]?.toLowerCase()} ${unpacking[2]}`;
  return /^update-initramfs: Generating/.test(line) ? 'making the initramfs' : undefined;
}

async function requireKeyring(plan: Plan): Promise<void> {
  if (await files.exists(plan.apt.keyring)) return;
  throw new OperatorError({
    code: 'base.keyring',
    exit: 'missing',
    message: `the keyring of ${plan.base.name} is missing: ${plan.apt.keyring}`,
    fix: `install it: apt-get install ${plan.apt.keyringPackage}`,
  });
}

function explain(plan: Plan, cause: unknown): unknown {
  if (!(cause instanceof OperatorError) || cause.code !== 'command.failed') return cause;
  const evidence = cause.evidence ?? '';
  const unknown = [
    ...new Set(
      [...evidence.matchAll(/E: (Unable to locate package .*|Package '.*' has no .*)/g)].map(
        (match) => match[1],
      ),
    ),
  ];
  if (unknown.length > 0) {
    return new OperatorError({
      code: 'packages.unknown',
      message: `${plan.base.name} does not have every package: ${unknown.join('; ')}`,
      fix: 'correct packages in the definition, or choose another base',
      cause,
    });
  }
  if (/NO_PUBKEY|not signed|EXPKEYSIG|BADSIG/.test(evidence)) {
    return new OperatorError({
      code: 'mirror.signature',
      exit: 'network',
      message: `the archive's signature is not trusted by ${plan.apt.keyring}`,
      evidence,
      fix: `update the package ${plan.apt.keyringPackage}, or set base.keyring and base.mirror to a pair that belongs together`,
      cause,
    });
  }
  return cause;
}
