/** One job: its files in a process of their own under Node's test runner, and what came of it. */
import * as path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import type { Job } from './schedule.ts';

/** Lines of one failure, as it is told once more at the end. */
const FAILURE_LINES = 30;
const TRANSCRIPT = /more: (\/tmp\/clusteros-transcripts\/\S+)/g;
const GROUP = path.join(import.meta.dirname, 'group.ts');
const PRELOAD = pathToFileURL(path.join(import.meta.dirname, 'preload.ts'));
/** What a process has to end by itself, once its tests were ended. */
const ENDING_MS = 5 * 60_000;

export interface Outcome {
  readonly job: Job;
  readonly passed: number;
  readonly failed: number;
  /** Reasons, as the tests gave them. */
  readonly skipped: readonly string[];
  readonly failures: readonly Failure[];
  readonly seconds: number;
  /** Of each file of a group, what its tests took. */
  readonly secondsOf: ReadonlyMap<string, number>;
  /** All that was printed. */
  readonly text: string;
}

interface Failure {
  readonly name: string;
  /** File and line. */
  readonly where: string;
  readonly said: string;
  readonly transcripts: readonly string[];
}

export interface RunOptions {
  readonly root: string;
  readonly signal: AbortSignal;
  /** For each file: first its tests are ended, five minutes later its process (preload.ts). May be Infinity. */
  readonly limitMs: number;
  /** Folder in which each process notes what it used of the processor. */
  readonly usage: string;
  readonly namePatterns?: readonly string[] | undefined;
}

/** Never fails: what cannot be run is a failure of its own. */
export async function runJob(job: Job, options: RunOptions): Promise<Outcome> {
  const { root, signal, limitMs, usage, namePatterns } = options;
  const started = performance.now();
  const files = job.files.map((file) => path.join(root, file));
  const shared = files.length > 1;
  const events = run({
    files: shared ? [GROUP] : files,
    argv: shared ? files : [],
    concurrency: 1,
    timeout: limitMs,
    execArgv: ['--import', preload(limitMs, usage), '--disable-warning=ExperimentalWarning'],
    signal,
    cwd: root,
    ...(namePatterns === undefined ? {} : { testNamePatterns: [...namePatterns] }),
  });
  const seen = { passed: 0, failed: 0 };
  const skipped: string[] = [];
  const failures: Omit<Failure, 'transcripts'>[] = [];
  const secondsOf = new Map<string, number>();
  events.on('test:summary', ({ counts, file }) => {
    if (file !== undefined) return;
    const { passed, failed, cancelled } = counts as typeof counts & { failed: number };
    seen.passed += passed;
    seen.failed += failed + cancelled;
  });
  events.on('test:complete', ({ name, file, nesting, details }) => {
    if (nesting !== 0 || file === undefined || name === file) return;
    const its = path.relative(root, file);
    secondsOf.set(its, (secondsOf.get(its) ?? 0) + details.duration_ms / 1000);
  });
  events.on('test:pass', ({ name, file, skip, todo }) => {
    const reason = skip ?? todo;
    if (reason !== undefined && reason !== false)
      skipped.push(typeof reason === 'string' ? reason : 'no reason given');
    // The runner counts a file without any test as a test that passed.
    if (file === undefined || path.resolve(root, name) !== file || file === GROUP) return;
    seen.passed -= 1;
    seen.failed += 1;
    failures.push({ name, where: path.relative(root, file), said: '    it holds no test\n' });
  });
  events.on('test:fail', ({ name, file, line, details }) => {
    const { error } = details;
    // A suite only repeats what its tests said.
    if ((error as { failureType?: string }).failureType === 'subtestsFailed') return;
    const where = file === undefined ? job.name : `${path.relative(root, file)}:${line}`;
    const lines = inspect(error.cause ?? error).split('\n');
    const said = lines.filter((text) => !/^\s+at .*node:internal/.test(text)).slice(0, FAILURE_LINES);
    failures.push({ name, where, said: said.map((text) => `    ${text}\n`).join('') });
  });
  let text = '';
  try {
    for await (const piece of events.compose(new spec())) text += piece;
  } catch (error) {
    seen.failed += 1;
    failures.push({ name: job.name, where: job.name, said: `    ${inspect(error)}\n` });
  }
  const transcripts = [...text.matchAll(TRANSCRIPT)].map(([, file = '']) => file);
  return {
    ...{ job, passed: seen.passed, failed: seen.failed, skipped, text, secondsOf },
    failures: failures.map((failure) => ({ ...failure, transcripts })),
    seconds: (performance.now() - started) / 1000,
  };
}

function preload(limitMs: number, usage: string): string {
  const url = new URL(PRELOAD);
  url.searchParams.set('usage', usage);
  if (limitMs < Infinity) url.searchParams.set('limit', String(limitMs + ENDING_MS));
  return url.href;
}
