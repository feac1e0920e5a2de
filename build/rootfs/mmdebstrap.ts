import * as path from 'node:path';
import type { Plan } from '../definition/plan.ts';
import { IN_OWN_NAMESPACES } from '../host.ts';

/** Where one run of mmdebstrap works and what it leaves. Absolute paths. */
export interface Places {
  /** Holds the half-made root; a tmpfs is mounted on it when `tmpfsBytes` is set. */
  readonly work: string;
  readonly tmpfsBytes: number | undefined;
  readonly tar: string;
  /** Holds hooks/ and what they copy. */
  readonly recipe: string;
}

/**
 * The command that makes the packages' tree. Pure.
 *
 * As root it runs in its own mount and process namespaces: they go when it ends, or is killed at any moment. As an
 * ordinary user mmdebstrap makes its own user namespace.
 */
export function mmdebstrapArgv(plan: Plan, places: Places, asRoot: boolean): string[] {
  const hook = (name: string) => path.join(places.recipe, 'hooks', name);
  const command = [
    'mmdebstrap',
    `--mode=${asRoot ? 'root' : 'unshare'}`,
    '--variant=apt',
    '--format=tar',
    `--architectures=${plan.arch}`,
    `--keyring=${plan.apt.keyring}`,
    `--include=${plan.packages.join(',')}`,
    // apt finds cached archives in a cache that mmdebstrap insists is empty, and hooks/customize cleans up after it.
    '--skip=download/empty,essential/unlink,cleanup/apt',
    ...aptOptions(plan).map((option) => `--aptopt=${option}`),
    `--setup-hook=${hook('setup')}`,
    `--essential-hook=${hook('essential')}`,
    `--customize-hook=${hook('customize')}`,
    plan.base.suite,
    places.tar,
    ...sourceLines(plan),
  ];
  if (!asRoot) return command;
  const inTmpfs =
    places.tmpfsBytes === undefined ? [] : [hook('in-tmpfs'), places.work, String(places.tmpfsBytes)];
  return [...IN_OWN_NAMESPACES, ...inTmpfs, ...command];
}

interface HookInput {
  readonly work: string;
  /** Archive files of earlier builds. */
  readonly debs: string;
  /** The Node to run unpack-ahead.ts with, or '' where the hooks cannot reach it. */
  readonly node: string;
}

/** The environment of the hooks. */
export function hookEnvironment(plan: Plan, epoch: number, given: HookInput) {
  return {
    SOURCE_DATE_EPOCH: String(epoch),
    TMPDIR: given.work,
    CLUSTEROS_BASE: plan.base.name,
    CLUSTEROS_DEBS: given.debs,
    CLUSTEROS_INITRAMFS: plan.initramfs,
    CLUSTEROS_NODE: given.node,
  };
}

/** One line of sources.list(5) for each suite. */
export function sourceLines(plan: Plan): string[] {
  return plan.apt.suites.map(({ uri, suite }) => `deb ${uri} ${suite} ${plan.apt.components.join(' ')}`);
}

function aptOptions(plan: Plan): string[] {
  return [
    'Acquire::Languages "none"',
    'Acquire::Retries "2"',
    'Acquire::http::Timeout "20"',
    'Acquire::https::Timeout "20"',
    // Debconf's look into each package before the transaction: nothing is asked in a build.
    '#clear DPkg::Pre-Install-Pkgs',
    // Stubs first: see hooks/essential.
    'DPkg::Path "/usr/lib/clusteros-build:/usr/sbin:/usr/bin:/sbin:/bin"',
    ...(plan.apt.snapshot === undefined ? [] : ['Acquire::Check-Valid-Until "false"']),
  ];
}
