/**
 * What each file took: the table of the repository (a budget, of a quiet machine with two processors and no KVM), and
 * what was seen here (kept under the cache, which knows this machine better).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { cacheFolderOf } from '../../build/cache.ts';
import type { Outcome } from './run-job.ts';

/** Seconds of each file, by its name. */
export type Times = Readonly<Record<string, number>>;

/** A file may take so many times its budget, and a short one so many seconds more. */
const OVER = { times: 2, seconds: 5 };

export const BUDGET_FILE = path.join('test', 'budget.json');

export function readBudget(root: string): Times {
  return JSON.parse(readFileSync(path.join(root, BUDGET_FILE), 'utf8')) as Times;
}

/** The budget, a little above what was seen: whole numbers that do not change with every run. */
export function writeBudget(root: string, seen: ReadonlyMap<string, number>): void {
  const rounded = [...seen].map(([file, seconds]) => [file, Math.max(1, Math.ceil(seconds))] as const);
  const sorted = Object.fromEntries(rounded.filter(([, s]) => s > 1).sort(([a], [b]) => a.localeCompare(b)));
  writeFileSync(path.join(root, BUDGET_FILE), `${JSON.stringify(sorted, undefined, 2)}\n`);
}

export function readSeen(): Times {
  const file = seenFile();
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Times) : {};
}

export function keepSeen(seen: ReadonlyMap<string, number>): void {
  mkdirSync(path.dirname(seenFile()), { recursive: true });
  writeFileSync(seenFile(), `${JSON.stringify({ ...readSeen(), ...Object.fromEntries(seen) })}\n`);
}

function seenFile(): string {
  return path.join(cacheFolderOf(), 'test-times.json');
}

/** Files that took far more than their budget. A file without one has the smallest. Pure. */
export function overBudget(seen: ReadonlyMap<string, number>, budget: Times): string[] {
  return [...seen]
    .map(([file, seconds]) => ({ file, seconds, allowed: budget[file] ?? 1 }))
    .filter(({ seconds, allowed }) => seconds > allowed * OVER.times && seconds > allowed + OVER.seconds)
    .map(({ file, seconds, allowed }) => `${file} took ${Math.round(seconds)} s, its budget is ${allowed} s`);
}

/** Seconds of each file of what ran. Those of a group are the times of its tests. */
export function timesOf(outcomes: readonly Outcome[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { job, seconds, secondsOf } of outcomes) {
    const [only, ...more] = job.files;
    if (only !== undefined && more.length === 0) times.set(only, seconds);
    else for (const file of job.files) times.set(file, secondsOf.get(file) ?? 0);
  }
  return times;
}

/** Seconds of the processor that each job used, from what preload.ts noted in the folder, which is removed. */
export function takeUsage(folder: string, root: string): Map<string, number> {
  const used = new Map<string, number>();
  for (const name of readdirSync(folder)) {
    for (const line of readFileSync(path.join(folder, name), 'utf8').trimEnd().split('\n')) {
      const { files, cpuSeconds } = JSON.parse(line) as { files: string[]; cpuSeconds: number };
      const first = path.relative(root, files.at(-1) ?? '');
      used.set(first, (used.get(first) ?? 0) + cpuSeconds);
    }
  }
  rmSync(folder, { recursive: true });
  return used;
}
