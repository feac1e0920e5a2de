/** One artifact in its folder, with all that lies beside it. */
import * as path from 'node:path';
import type { LayerFile } from '../image-layers/layer.ts';
import type { BuiltAgent } from './agent/bundle.ts';
import { agentComponents, licenceTexts, NOTICES } from './agent/components.ts';
import { diskIdentifiers } from './assemble/disk/identifiers.ts';
import { digestOf, manifestText, readManifest } from './assemble/manifest.ts';
import { makeRootTree } from './assemble/root-tree.ts';
import { TARGET_RECIPES } from './assemble/targets.ts';
import { readTarIndex } from './assemble/tree/tar-index.ts';
import { closureDigest } from './cache/import-closure.ts';
import { sourceDigest } from './cache/source-digest.ts';
import { keyOf } from './cache.ts';
import type { Plan } from './definition/plan.ts';
import type { Engine } from './engines.ts';
import { OperatorError } from './errors.ts';
import { files, interrupted } from './host.ts';
import type { Detail } from './progress.ts';
import type { PackagesTree } from './rootfs/packages.ts';
import { MANIFEST, SIGNATURE, SUMS } from './trust/checksums.ts';
import type { SignKey } from './trust/minisign.ts';
import { isSealed, sealFolder } from './trust/seal.ts';
import { sbomName } from './trust/spdx.ts';

/** Names of what a plan makes: `clusteros-debian-13-amd64`, `clusteros-debian-13-amd64-docker`. */
export function artifactName(plan: Plan): string {
  return `${plan.name}-${plan.base.name}-${plan.arch}${TARGET_RECIPES[plan.target].suffix}`;
}

/** The names that an artifact and all that lies beside it have in their folder. */
export function artifactFiles(plan: Plan): string[] {
  const file = fileName(plan);
  const besides = TARGET_RECIPES[plan.target].besides?.(file) ?? [];
  return [file, ...besides, sbomName(file), SUMS, SIGNATURE, MANIFEST];
}

/** Everything that an artifact's bytes depend on. */
export async function artifactKey(plan: Plan, packages: PackagesTree, agent: BuiltAgent): Promise<string> {
  const { name, base, arch, target, files: own, links, units, removes, diskBytes, apt } = plan;
  const assemble = path.join(import.meta.dirname, 'assemble');
  return keyOf({
    // The folder for what is not imported, such as scripts; the closure for what is, wherever it lies.
    assembler: await sourceDigest(assemble),
    imported: await closureDigest(['targets.ts', 'root-tree.ts'].map((name) => path.join(assemble, name))),
    packages: packages.key,
    agent: agent.sha256,
    licences: await licenceTexts(),
    components: await agentComponents(),
    plan: { name, base, arch, target, files: own, links, units, removes, diskBytes, node: apt.node },
    target: TARGET_RECIPES[target].inputs?.(plan) ?? null,
  });
}

interface AssembleInput {
  readonly packages: PackagesTree;
  readonly agent: BuiltAgent;
  readonly key: string;
  readonly work: string;
  readonly signal: AbortSignal;
  readonly report: (detail: Detail) => void;
  readonly engine: Engine;
  /** Signs the list of digests. */
  readonly signKey: SignKey | undefined;
}

/** An artifact in a folder of its own, sealed: SBOM, digests, signature and, written last, the manifest. */
export interface Artifact {
  readonly folder: string;
  /** The image's name in the folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly packageCount: number;
}

/** @returns the artifact in `work` */
export async function makeArtifact(plan: Plan, input: AssembleInput): Promise<Artifact> {
  const { packages, agent, key, work, signal } = input;
  const folder = path.join(work, artifactName(plan));
  await files.makeFolder(folder);
  const recipe = TARGET_RECIPES[plan.target];
  const ids = diskIdentifiers(`${systemName(plan)}/${packages.key}`);
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
      ownFiles: [...recipe.ownFiles(plan, ids), ...(await licenceFiles())],
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
      onProgress: (done, total) => input.report({ done, total }),
    });
    if (signal.aborted) throw interrupted();
    const artifact = await describe(file);
    const besides = await Promise.all((recipe.besides?.(file) ?? []).map(describe));
    const { engine } = input;
    const text = manifestText({
      key,
      plan,
      engine,
      archive,
      epoch,
      agent: { ...agent, components: await agentComponents() },
      packages: root.packages,
      artifacts: [artifact, ...besides],
    });
    await sealFolder(folder, text, input.signKey);
    return { folder, ...artifact, packageCount: root.packages.length };
  } finally {
    await tar.close();
    await program.close();
  }
}

/**
 * The artifact in the output folder, when it is whole and made from these inputs. With a key that has not signed it,
 * it is signed.
 */
export async function presentArtifact(
  plan: Plan,
  folder: string,
  { key, signKey }: { readonly key: string; readonly signKey: SignKey | undefined },
): Promise<Artifact | undefined> {
  try {
    const manifest = await files.readText(path.join(folder, MANIFEST));
    const made = readManifest(manifest);
    const [artifact] = made?.artifacts ?? [];
    if (made?.key !== key || artifact === undefined) return undefined;
    // Of an earlier version of this tool, or edited: nothing to vouch for.
    if (!(await isSealed(folder, manifest, undefined))) return undefined;
    const file = fileName(plan);
    for (const expected of made.artifacts) {
      const found = await digestOf(path.join(folder, expected.file));
      if (found.bytes !== expected.bytes || found.sha256 !== expected.sha256) return undefined;
    }
    const { bytes, sha256 } = artifact;
    if (signKey !== undefined && !(await isSealed(folder, manifest, signKey)))
      await sealFolder(folder, manifest, signKey);
    return { folder, file, bytes, sha256, packageCount: made.packages.length };
  } catch (error) {
    // Never made, or being replaced by another build right now: then it is made.
    if (error instanceof OperatorError && error.code === 'file.unreadable') return undefined;
    throw error;
  }
}

/** Where Debian keeps such texts. */
async function licenceFiles(): Promise<LayerFile[]> {
  const { license, notices } = await licenceTexts();
  const folder = '/usr/share/doc/clusteros';
  return [
    { path: `${folder}/LICENSE`, mode: 0o644, text: license },
    { path: `${folder}/${NOTICES}`, mode: 0o644, text: notices },
  ];
}

async function describe(file: string) {
  return { file: path.basename(file), ...(await digestOf(file)) };
}

/** Media that carry the same system say so: its ids follow from it, and what they share is made once. */
function systemName(plan: Plan): string {
  const { suffix, system = suffix } = TARGET_RECIPES[plan.target];
  return `${plan.name}-${plan.base.name}-${plan.arch}${system}`;
}

function fileName(plan: Plan): string {
  return `${artifactName(plan)}.${TARGET_RECIPES[plan.target].extension}`;
}
