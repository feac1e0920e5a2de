/** Finishes a folder of artifacts: bills of materials, digests of everything, a signature, and last the manifest. */
import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { checksumsText } from '../assemble/manifest.ts';
import { files } from '../host.ts';
import { MANIFEST, SIGNATURE, SUMS, type Sum } from './checksums.ts';
import { viewManifest } from './manifest-view.ts';
import { type SignKey, signatureText } from './minisign.ts';
import { sbomName, sbomText, withSoftware } from './spdx.ts';

/**
 * Write what belongs beside the artifacts. The artifacts themselves are there already, as the manifest says.
 *
 * @param manifest the text of manifest.json, which is written last
 * @param key signs the list of digests; without one an earlier signature is removed, as it would not fit
 * @returns the names of what lies in the folder then
 */
export async function sealFolder(
  folder: string,
  manifest: string,
  key: SignKey | undefined,
): Promise<string[]> {
  const { artifacts, texts } = sealOf(manifest, key);
  if (key === undefined) await files.remove(path.join(folder, SIGNATURE));
  for (const { file, text } of texts) await files.writeAtomic(path.join(folder, file), text);
  return [...artifacts, ...texts.map(({ file }) => file)];
}

/**
 * Whether a folder is as {@link sealFolder} leaves it. Without a key a signature may be there, and is not looked at.
 * The artifacts are not read.
 */
export async function isSealed(folder: string, manifest: string, key: SignKey | undefined): Promise<boolean> {
  for (const { file, text } of sealOf(manifest, key).texts) {
    const place = path.join(folder, file);
    if (!(await files.exists(place)) || (await files.readText(place)) !== text) return false;
  }
  return true;
}

interface Text {
  readonly file: string;
  readonly text: string;
}

/** All that follows from a manifest and a key, in the order in which it is written: always the same. */
function sealOf(
  manifest: string,
  key: SignKey | undefined,
): { artifacts: readonly string[]; texts: readonly Text[] } {
  const view = viewManifest(manifest);
  if (typeof view === 'string') throw new Error(`a manifest that describes nothing: ${view}`);
  const sboms = withSoftware(view).map((artifact) => ({
    file: sbomName(artifact.file),
    text: sbomText(view, artifact),
  }));
  const own = { file: MANIFEST, text: manifest };
  const sums: Sum[] = [...view.artifacts, ...[...sboms, own].map(sumOf)];
  const list = checksumsText(sums);
  // The image's own time, not the clock's: a signature made again is the same.
  const trusted = `timestamp:${view.epoch}\tfile:${SUMS}\thashed`;
  const signature =
    key === undefined ? [] : [{ file: SIGNATURE, text: signatureText(Buffer.from(list), key, trusted) }];
  return {
    artifacts: view.artifacts.map(({ file }) => file),
    texts: [...sboms, { file: SUMS, text: list }, ...signature, own],
  };
}

function sumOf({ file, text }: Text): Sum {
  return { file, sha256: createHash('sha256').update(text).digest('hex') };
}
