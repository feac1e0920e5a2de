import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { files } from '../host.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const IMPORTS = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*|new URL\(\s*)['"](\.{1,2}\/[^'"]+)['"]/g;
/** Types leave nothing in what runs. */
const TYPES = /^import type [^;]*;$/gm;

/**
 * The sources that some sources import, directly or not, themselves among them: sorted paths below the repository.
 * What is started as a thread (`new URL('./x.ts', import.meta.url)`) counts too.
 */
export async function importClosure(entries: readonly string[]): Promise<string[]> {
  const seen = new Set<string>();
  const next = entries.map((file) => path.resolve(file));
  for (let file = next.pop(); file !== undefined; file = next.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    if (!file.endsWith('.ts')) continue;
    const text = (await files.readText(file)).replace(TYPES, '');
    for (const [, from = ''] of text.matchAll(IMPORTS)) {
      const imported = path.resolve(path.dirname(file), from);
      if ((await files.statOrUndefined(imported))?.isFile()) next.push(imported);
    }
  }
  return [...seen].map((file) => path.relative(ROOT, file)).sort();
}

/** One SHA-256 over the import closure: what the code makes depends on all of it. */
export async function closureDigest(entries: readonly string[]): Promise<string> {
  const digest = createHash('sha256');
  for (const file of await importClosure(entries))
    digest.update(`${file}\0`).update(await files.readBytes(path.join(ROOT, file)));
  return digest.digest('hex');
}
