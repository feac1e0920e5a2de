/** Finishes a folder of artifacts: bills of materials, digests of everything, a signature, and last the manifest. */
import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { checksumsText } from '../assemble/manifest.ts';
import { files } from '../host.ts';
import { MANIFEST, SIGNATURE, SUMS, type Sum } from './checksums.ts';
import { viewManifest } from './manifest-view.ts';
import { type SignKey, signatureText } from './minisign.ts';
import { sbomName, sbomText } from './spdx.ts';

/**
 * Write what belongs beside the artifacts. The artifacts themselves are there already, as the manifest says.
 *
 * @param manifest the text of manifest.json, which is written last
 * @param key signs the list of digests; without one an earlier signature is removed, as it would not fit
 * @returns the names of what was written
 */
export async function sealFolder(
  folder: string,
  manifest: string,
  key: SignKey | undefined,
): Promise<string[]> {
  const view = viewManifest(manifest);
  if (typeof view === 'string') throw new Error(`a manifest that describes nothing: ${view}`);
  const sums: Sum[] = [];
  for (const artifact of view.artifacts) {
    const sbom = { file: sbomName(artifact.file), text: sbomText(view, artifact) };
    await files.writeAtomic(path.join(folder, sbom.file), sbom.text);
    sums.push(
      { file: artifact.file, sha256: artifact.sha256 },
      { file: sbom.file, sha256: sha256(sbom.text) },
    );
  }
  sums.push({ file: MANIFEST, sha256: sha256(manifest) });
  const list = checksumsText(sums);
  await files.writeAtomic(path.join(folder, SUMS), list);
  const signature = path.join(folder, SIGNATURE);
  if (key === undefined) await files.remove(signature);
  else {
    // The image's own time, not the clock's: a signature made again is the same.
    const trusted = `timestamp:${view.epoch}\tfile:${SUMS}\thashed`;
    await files.writeAtomic(signature, signatureText(Buffer.from(list), key, trusted));
  }
  await files.writeAtomic(path.join(folder, MANIFEST), manifest);
  return [...sums.map(({ file }) => file), SUMS, ...(key === undefined ? [] : [SIGNATURE])];
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
