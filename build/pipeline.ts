/**
 * From plans to artifacts. {@link buildImages} is the table of contents: each step takes what it needs and returns
 * what it made; nothing is shared but the cache.
 */
import * as path from 'node:path';
import { type BuiltAgent, buildAgent } from './agent/bundle.ts';
import { artifactFiles, artifactKey, artifactName, makeArtifact, presentArtifact } from './artifact.ts';
import { bothOrNeither } from './both-or-neither.ts';
import type { Cache } from './cache.ts';
import type { Plan, Target } from './definition/plan.ts';
import { humanSize } from './definition/size.ts';
import { type Engine, requirePrograms, rootFileSystem } from './engines.ts';
import { assertMayPublish, publishFolder, withOutputFolder } from './output.ts';
import type { Detail, Progress } from './progress.ts';
import type { PackagesTree } from './rootfs/packages.ts';
import type { SignKey } from './trust/minisign.ts';

interface BuildOptions {
  readonly cache: Cache;
  /** The folder that gets `<name>-<base>-<arch>/`. */
  readonly output: string;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Unless given, `direct`. */
  readonly engine?: Engine | undefined;
  /** Signs the artifacts' digests. */
  readonly signKey?: SignKey | undefined;
  /** Replace files of the artifact's names that are not ours. */
  readonly force?: boolean | undefined;
  /** Told of each artifact as soon as it is in its place. */
  readonly onBuilt?: ((built: BuiltImage) => void) | undefined;
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

/**
 * One artifact for each plan, each in a folder of its own. What plans have in common is done once: the agent, and
 * the packages' tree of those that name the same packages.
 *
 * @param plans of one definition, at least one
 * @throws OperatorError; whatever it is, nothing half-made is left in the output folder or the cache
 */
export async function buildImages(plans: readonly Plan[], given: BuildOptions): Promise<BuiltImage[]> {
  const options = { ...given, engine: given.engine ?? 'direct' };
  const { cache, output, signal, progress, engine } = options;
  await requirePrograms(engine, plans);
  for (const plan of plans)
    await assertMayPublish(path.join(output, artifactName(plan)), artifactFiles(plan), given.force === true);
  return await withOutputFolder(output, async (work) => {
    const [trees, agent] = await bothOrNeither(
      signal,
      (both) => packagesTrees(plans, { ...options, signal: both }, work),
      (both) => progress.step('node agent', (report) => agentProgram(cache, both, report)),
    );
    const built: BuiltImage[] = [];
    // One after the other: each keeps a processor and the disk busy.
    for (const [index, plan] of plans.entries()) {
      const packages = trees[index];
      if (packages === undefined) throw new Error(`no packages for ${plan.target}`);
      const image = await buildOne(plan, { packages, agent, work, options });
      options.onBuilt?.(image);
      built.push(image);
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

/** With what was not given. */
type Settled = BuildOptions & { readonly engine: Engine };

interface OneInput {
  readonly packages: PackagesTree;
  readonly agent: BuiltAgent;
  readonly work: string;
  readonly options: Settled;
}

async function buildOne(plan: Plan, { packages, agent, work, options }: OneInput): Promise<BuiltImage> {
  const { output, signal, progress, signKey, engine } = options;
  const key = await artifactKey(plan, packages, agent);
  const folder = path.join(output, artifactName(plan));
  const present = await presentArtifact(plan, folder, { key, signKey });
  const make = async (report: (detail: Detail) => void) => {
    const made = await makeArtifact(plan, { packages, agent, key, work, signal, report, engine, signKey });
    await publishFolder(made.folder, folder, work);
    // Not read again: another build may be putting the same artifact there right now.
    return made;
  };
  const finished =
    present ?? (await progress.step(`image ${plan.target}`, make, ({ bytes }) => humanSize(bytes)));
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
  options: Settled,
  work: string,
): Promise<PackagesTree[]> {
  const { cache, signal, progress, engine } = options;
  // What Packer starts from: an image of its own, whose stages have names of their own.
  const ofBase: Progress = {
    step: (title, make, outcome) => progress.step(`base ${title}`, make, outcome),
  };
  const makeImage = (base: Plan) =>
    buildImage(base, { cache, signal, progress: ofBase, output: path.join(work, 'base') });
  const made = new Map<string, PackagesTree>();
  const trees: PackagesTree[] = [];
  for (const plan of plans) {
    const { base, apt, packages, initramfs } = plan;
    const wanted = JSON.stringify([base.name, apt, packages, initramfs]);
    const tree =
      made.get(wanted) ??
      (await progress.step(
        made.size === 0 ? 'packages' : `packages of ${plan.target}`,
        (report) => rootFileSystem(plan, { engine, cache, signal, makeImage }, report),
        ({ cached }) => (cached ? 'from the cache' : ''),
      ));
    made.set(wanted, tree);
    trees.push(tree);
  }
  return trees;
}

/** The node agent, from the cache or bundled anew. */
export function agentProgram(
  cache: Cache,
  signal: AbortSignal,
  onProgress: (step: string) => void,
): Promise<BuiltAgent> {
  return buildAgent({ arch: 'x64', cache, signal, onProgress });
}
