/**
 * From plans to artifacts. {@link buildImages} is the table of contents: each step takes what it needs and returns
 * what it made; nothing is shared but the cache.
 */
import * as path from 'node:path';
import { type BuiltAgent, buildAgent } from './agent/bundle.ts';
import { diskIdentifiers } from './assemble/disk/identifiers.ts';
import { checksumsText, digestOf, manifestText, readManifest } from './assemble/manifest.ts';
import { makeRootTree } from './assemble/root-tree.ts';
import { TARGET_RECIPES } from './assemble/targets.ts';
import { readTarIndex } from './assemble/tree/tar-index.ts';
import { sourceDigest } from './cache/source-digest.ts';
import { type Cache, keyOf } from './cache.ts';
import type { Plan, Target } from './definition/plan.ts';
import { OperatorError } from './errors.ts';
import { files, interrupted, which } from './host.ts';
import { publishFolder, withOutputFolder } from './output.ts';
import type { Progress } from './progress.ts';
import { type PackagesTree, packagesTree } from './rootfs/packages.ts';

export interface BuildOptions {
  readonly cache: Cache;
  /** The folder that gets `<name>-<base>-<arch>/`. */
  readonly output: string;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

export interface BuiltImage {
  readonly target: Target;
  readonly folder: string;
  readonly image: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly agent: { readonly file: string; readonly version: string };
  readonly packages: { readonly count: number; readonly cached: boolean };
  /** The artifact was there already, made from the same inputs. */
  readonly upToDate: boolean;
}

/** Names of what a plan makes: `clusteros-debian-13-amd64`, `clusteros-debian-13-amd64-docker`. */
export function artifactName(plan: Plan): string {
  return `${plan.name}-${plan.base.name}-${plan.arch}${TARGET_RECIPES[plan.target].suffix}`;
}

/** Beside the image, and written last. */
const MANIFEST = 'manifest.json';

/** What the shared stages run. `doctor` knows their packages. */
const PROGRAMS = ['setpriv', 'unshare', 'mmdebstrap'] as const;

/**
 * One artifact for each plan, each in a folder of its own. What plans have in common is done once: the agent, and
 * the packages' tree of those that name the same packages.
 *
 * @param plans of one definition, at least one
 * @throws OperatorError; whatever it is, nothing half-made is left in the output folder or the cache
 */
export async function buildImages(plans: readonly Plan[], options: BuildOptions): Promise<BuiltImage[]> {
  const { cache, output, signal, progress } = options;
  await requirePrograms([
    ...new Set([...PROGRAMS, ...plans.flatMap(({ target }) => TARGET_RECIPES[target].programs)]),
  ]);
  return await withOutputFolder(output, async (work) => {
    const [trees, agent] = await bothOrNeither(
      signal,
      (both) => packagesTrees(plans, { ...options, signal: both }),
      (both) => progress.step('node agent', (report) => agentProgram(cache, both, report)),
    );
    const built: BuiltImage[] = [];
    // One after the other: each keeps a processor and the disk busy.
    for (const [index, plan] of plans.entries()) {
      const packages = trees[index];
      if (packages === undefined) throw new Error(`no packages for ${plan.target}`);
      const title = plans.length === 1 ? 'image' : `image ${plan.target}`;
      built.push(await buildOne(plan, { packages, agent, work, title, options }));
    }
    return built;
  });
}

/** The artifact of one plan. @throws like {@link buildImages} */
export async function buildImage(plan: Plan, options: BuildOptions): Promise<BuiltImage> {
  const [built] = await buildImages([plan], options);
  if (built === undefined) throw new Error('one plan makes one artifact');
  return built;
}

interface OneInput {
  readonly packages: PackagesTree;
  readonly agent: BuiltAgent;
  readonly work: string;
  readonly title: string;
  readonly options: BuildOptions;
}

async function buildOne(
  plan: Plan,
  { packages, agent, work, title, options }: OneInput,
): Promise<BuiltImage> {
  const { output, signal, progress } = options;
  const key = await artifactKey(plan, packages, agent);
  const folder = path.join(output, artifactName(plan));
  const present = await presentArtifact(plan, folder, key);
  const finished =
    present ??
    (await progress.step(title, async (report) => {
      const made = await assemble(plan, { packages, agent, key, work, signal, report });
      await publishFolder(made.folder, folder, work);
      // Not read again: another build may be putting the same artifact there right now.
      return made;
    }));
  const { file, bytes, sha256, packageCount } = finished;
  return {
    target: plan.target,
    folder,
    image: path.join(folder, file),
    bytes,
    sha256,
    agent: { file: agent.file, version: agent.version },
    packages: { count: packageCount, cached: packages.cached },
    upToDate: present !== undefined,
  };
}

/** The tree of each plan, in the order of the plans; each distinct one is made once. */
async function packagesTrees(
  plans: readonly Plan[],
  { cache, signal, progress }: BuildOptions,
): Promise<PackagesTree[]> {
  const made = new Map<string, PackagesTree>();
  const trees: PackagesTree[] = [];
  for (const plan of plans) {
    const { base, apt, packages, initramfs } = plan;
    const wanted = JSON.stringify([base.name, apt, packages, initramfs]);
    const tree =
      made.get(wanted) ??
      (await progress.step(made.size === 0 ? 'packages' : `packages of ${plan.target}`, (report) =>
        packagesTree(plan, { cache, signal, onProgress: report }),
      ));
    made.set(wanted, tree);
    trees.push(tree);
  }
  return trees;
}

/** To find out before a minute of work what would fail after it. @throws OperatorError `program.missing` */
async function requirePrograms(programs: readonly string[]): Promise<void> {
  const found = await Promise.all(programs.map((program) => which(program)));
  const missing = programs.filter((_, index) => found[index] === undefined);
  if (missing.length === 0) return;
  throw new OperatorError({
    code: 'program.missing',
    exit: 'missing',
    message: `${missing.length === 1 ? 'a program is' : 'programs are'} not installed: ${missing.join(', ')}`,
    fix: 'run: npx clusteros-build doctor --fix',
  });
}

/** Everything that an artifact's bytes depend on. */
async function artifactKey(plan: Plan, packages: PackagesTree, agent: BuiltAgent): Promise<string> {
  const { name, base, arch, target, files: own, links, units, removes, diskBytes, apt } = plan;
  return keyOf({
    assembler: await sourceDigest(path.join(import.meta.dirname, 'assemble')),
    packages: packages.key,
    agent: agent.sha256,
    plan: { name, base, arch, target, files: own, links, units, removes, diskBytes, node: apt.node },
  });
}

/** The node agent, from the cache or bundled anew. */
export function agentProgram(
  cache: Cache,
  signal: AbortSignal,
  onProgress: (step: string) => void,
): Promise<BuiltAgent> {
  return buildAgent({ arch: 'x64', cache, signal, onProgress });
}

interface AssembleInput {
  readonly packages: PackagesTree;
  readonly agent: BuiltAgent;
  readonly key: string;
  readonly work: string;
  readonly signal: AbortSignal;
  readonly report: (detail: string) => void;
}

/** An artifact in a folder of its own, with its checksums and, written last, its manifest. */
interface Artifact {
  readonly folder: string;
  /** The image's name in the folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly packageCount: number;
}

/** @returns the artifact in `work` */
async function assemble(plan: Plan, input: AssembleInput): Promise<Artifact> {
  const { packages, agent, key, work, signal } = input;
  const folder = path.join(work, artifactName(plan));
  await files.makeFolder(folder);
  const recipe = TARGET_RECIPES[plan.target];
  const ids = diskIdentifiers(`${artifactName(plan)}/${packages.key}`);
  const file = path.join(folder, fileName(plan));
  const tar = await files.openFile(packages.tar, 'r');
  const program = await files.openFile(agent.file, 'r');
  try {
    const { epoch, archive } = packages;
    const { size } = await program.stat();
    const imageId = `${plan.base.name}-${plan.arch}-${packages.key.slice(0, 12)}`;
    const root = await makeRootTree({
      plan,
      packages: await readTarIndex(tar),
      agent: { handle: program, size },
      ownFiles: recipe.ownFiles(plan, ids),
      epoch,
      imageId,
    });
    await recipe.assemble(file, {
      plan,
      root,
      ids,
      epoch,
      signal,
      workFolder: work,
      onProgress: (done, total) => input.report(`${Math.floor((done / total) * 100)} %`),
    });
    if (signal.aborted) throw interrupted();
    const artifact = { file: path.basename(file), ...(await digestOf(file)) };
    const text = manifestText({ key, plan, archive, epoch, agent, packages: root.packages, artifact });
    await files.writeAtomic(path.join(folder, 'SHA256SUMS'), checksumsText([artifact]));
    await files.writeAtomic(path.join(folder, MANIFEST), text);
    return { folder, ...artifact, packageCount: root.packages.length };
  } finally {
    await tar.close();
    await program.close();
  }
}

/** The artifact in the output folder, when it is whole and made from these inputs. */
async function presentArtifact(plan: Plan, folder: string, key: string): Promise<Artifact | undefined> {
  try {
    const made = readManifest(await files.readText(path.join(folder, MANIFEST)));
    const [artifact] = made?.artifacts ?? [];
    if (made?.key !== key || artifact === undefined) return undefined;
    const file = fileName(plan);
    const { bytes, sha256 } = await digestOf(path.join(folder, file));
    if (bytes !== artifact.bytes || sha256 !== artifact.sha256) return undefined;
    return { folder, file, bytes, sha256, packageCount: made.packages.length };
  } catch (error) {
    // Never made, or being replaced by another build right now: then it is made.
    if (error instanceof OperatorError && error.code === 'file.unreadable') return undefined;
    throw error;
  }
}

function fileName(plan: Plan): string {
  return `${artifactName(plan)}.${TARGET_RECIPES[plan.target].extension}`;
}

/** Run two pieces of work at once; when one fails the other is stopped and waited for. */
async function bothOrNeither<A, B>(
  signal: AbortSignal,
  one: (signal: AbortSignal) => Promise<A>,
  other: (signal: AbortSignal) => Promise<B>,
): Promise<[A, B]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let first: { error: unknown } | undefined;
  const guard = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      first ??= { error };
      failed.abort();
      return undefined;
    }
  };
  const results = await Promise.all([guard(one(either)), guard(other(either))]);
  if (first !== undefined) throw first.error;
  return results as [A, B];
}
