/** The list of digests beside the artifacts, in the form of sha256sum(1). Pure. */

/** What is in a folder of artifacts besides them. */
export const SUMS = 'SHA256SUMS';
export const SIGNATURE = 'SHA256SUMS.minisig';
export const MANIFEST = 'manifest.json';

export interface Sum {
  readonly file: string;
  readonly sha256: string;
}

/** @returns the entries, or why the text is no such list; a name never leads out of the folder */
export function parseSums(text: string): Sum[] | string {
  const entries: Sum[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const [, sha256, file] = /^([0-9a-f]{64}) [ *]([\w@%+=:,.-]+)$/.exec(line) ?? [];
    if (sha256 === undefined || file === undefined || file === '.' || file === '..') {
      return `line ${index + 1} is no digest of a file in this folder`;
    }
    if (entries.some((entry) => entry.file === file)) return `line ${index + 1} names ${file} again`;
    entries.push({ file, sha256 });
  }
  return entries.length === 0 ? 'it is empty' : entries;
}
