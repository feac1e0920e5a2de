/** What `npm run test:all` has that `npm test` has not, found in the sources. */
import { globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { BUDGET_FILE, type Times } from './times.ts';

export interface Deep {
  readonly file: string;
  readonly what: string;
  readonly minutes: number;
}

const TEXT = String.raw`'((?:[^'\\]|\\.)*)'`;
const CALLS = [
  new RegExp(String.raw`\bdepth\(\s*${TEXT},\s*([\d.]+),?\s*\)`, 'g'),
  new RegExp(String.raw`\bhowMany\(\s*[\d_]+,\s*[\d_]+,\s*${TEXT},\s*([\d.]+),?\s*\)`, 'g'),
];

/** The calls of depth() and howMany() in one source. Pure. */
export function deepIn(file: string, text: string): Deep[] {
  return CALLS.flatMap((call) =>
    [...text.matchAll(call)].map(([, what = '', minutes]) => ({ file, what, minutes: Number(minutes) })),
  );
}

/** Everything of this clone, the longest first; whole files that only the long run has count by their budget. */
export function deepList(root: string, wholeFiles: readonly string[], budget: Times): Deep[] {
  const sources = globSync('{build,agent,qemu,test}/**/*.test.ts', { cwd: root });
  const inside = sources.flatMap((file) => deepIn(file, readFileSync(path.join(root, file), 'utf8')));
  const whole = wholeFiles.map((file) => ({
    file,
    what: 'all of this file',
    minutes: Math.ceil((budget[file] ?? 0) / 60),
  }));
  return [...inside, ...whole].sort((a, b) => b.minutes - a.minutes);
}

export function renderDeepList(list: readonly Deep[], budget: Times): string {
  const short = Object.values(budget).reduce((sum, seconds) => sum + seconds, 0);
  const rows = list.map(
    ({ file, what, minutes }) => `${String(minutes).padStart(5)} min  ${what}  (${file})`,
  );
  const more = list.reduce((sum, { minutes }) => sum + minutes, 0);
  return [
    'npm run test:all runs what npm test runs, and also:',
    ...rows,
    `${more} minutes of one processor more; the files of npm test take ${Math.ceil(short / 60)} (${BUDGET_FILE})`,
    '',
  ].join('\n');
}
