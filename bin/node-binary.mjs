/**
 * The Node binary that runs the builder and is inside every agent. It comes from npm, which repackages what nodejs.org
 * released: node-release.json records its digest, where the digest is from, and whether it was compared with the
 * release's own. Plain JavaScript with built-ins only: it runs before anything is installed.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './setup-error.mjs';

const PIECE = 1 << 20;

/**
 * @typedef {{
 *   readonly version: string,
 *   readonly binaries: Readonly<Record<string, { readonly sha256: string, readonly source: string }>>,
 *   readonly official: { readonly compared: boolean, readonly list: string, readonly how: string },
 * }} NodeRelease
 */

/** @returns {NodeRelease} */
export function nodeRelease() {
  return JSON.parse(fs.readFileSync(fileURLToPath(new URL('node-release.json', import.meta.url)), 'utf8'));
}

/**
 * Refuse a Node that is not the recorded one, before it is run.
 *
 * @param {string} modules the folder node_modules
 * @param {NodeRelease} [release]
 * @throws {SetupError}
 */
export function checkNodeBinaries(modules, release = nodeRelease()) {
  for (const [arch, { sha256, source }] of Object.entries(release.binaries)) {
    const file = path.join(modules, `node-linux-${arch}`, 'bin', 'node');
    if (!fs.existsSync(file)) continue;
    const found = digestOf(file);
    if (found === sha256) continue;
    throw new SetupError(`${file} is not the recorded Node ${release.version}`, {
      evidence: `sha256   ${found}\nrecorded ${sha256} (${source})`,
      fix: 'remove node_modules and run the command again; if it happens again, do not use this registry and report it',
    });
  }
}

/** @param {string} file */
function digestOf(file) {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE);
  const handle = fs.openSync(file, 'r');
  try {
    for (;;) {
      const count = fs.readSync(handle, piece, 0, PIECE, null);
      if (count === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, count));
    }
  } finally {
    fs.closeSync(handle);
  }
}
