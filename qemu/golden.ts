import assert from 'node:assert/strict';
import { files } from '../build/host.ts';

/**
 * Compare a text with its golden file. `npm run golden` rewrites the file instead; the difference is then
 * reviewed like code.
 */
export async function matchesGolden(golden: URL, text: string): Promise<void> {
  const file = golden.pathname;
  if (process.env.CLUSTEROS_GOLDEN === 'write') await files.writeAtomic(file, text);
  else assert.equal(text, await files.readText(file), `differs from ${file}; npm run golden rewrites it`);
}
