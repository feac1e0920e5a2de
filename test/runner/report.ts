/** What a run says while it goes, and at its end. Pure. */
import * as path from 'node:path';
import { LEFT_TO_ALL } from '../depth.ts';
import type { Outcome } from './run-job.ts';
import { type Times, timesOf } from './times.ts';

/** Files under this many seconds are told as a sum. */
const SHORT_SECONDS = 10;

export function startLine({ name }: { readonly name: string }): string {
  return `  ...           ${name}\n`;
}

export function endLine({ job, passed, failed, seconds }: Outcome): string {
  const mark = failed > 0 ? '✖ FAILED' : '✔ passed';
  const counts = failed > 0 ? `${passed} passed, ${failed} failed` : `${passed}`;
  return `${mark} ${seconds.toFixed(0).padStart(5)} s  ${job.name}  (${counts})\n`;
}

/** Each file's time against its budget, longest first, with the processor time where it is known. */
export function timeTable(
  outcomes: readonly Outcome[],
  budget: Times,
  cpuOf: ReadonlyMap<string, number>,
): string {
  const times = [...timesOf(outcomes)].sort(([, a], [, b]) => b - a);
  const long = times.filter(([, seconds]) => seconds >= SHORT_SECONDS);
  const short = times.slice(long.length);
  const column = (value: number | undefined) =>
    (value === undefined ? '' : Math.round(value).toString()).padStart(7);
  const cpu = [...cpuOf.values()].reduce((sum, seconds) => sum + seconds, 0);
  const rows = long.map(
    ([file, seconds]) => `${column(seconds)} ${column(budget[file])} ${column(cpuOf.get(file))}  ${file}`,
  );
  const rest = short.reduce((sum, [, seconds]) => sum + seconds, 0);
  return [
    'time in seconds, budget, processor:',
    ...rows,
    `${column(rest)} ${' '.repeat(15)}  ${short.length} files of less than ${SHORT_SECONDS} s`,
    `${' '.repeat(15)} ${column(cpu)}  in all`,
    '',
  ].join('\n');
}

/** Every reason of a skip, with its count; what only the long run has is no lack of this machine. */
export function skipLines(outcomes: readonly Outcome[]): string[] {
  const counts = new Map<string, number>();
  let left = 0;
  for (const reason of outcomes.flatMap(({ skipped }) => skipped)) {
    if (reason.startsWith(LEFT_TO_ALL)) left += 1;
    else counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [
    ...[...counts].map(([reason, count]) => `skipped: ${count}, ${reason}`),
    ...(left === 0 ? [] : [`left to ${LEFT_TO_ALL}: ${left} (${LEFT_TO_ALL} -- --list)`]),
  ];
}

/** What failed, once more, with the place of all that was said. */
export function failureLines(outcomes: readonly Outcome[], logs: string): string {
  const failed = outcomes.filter((outcome) => outcome.failed > 0);
  if (failed.length === 0) return '';
  const pieces = failed.flatMap((outcome) => [
    ...outcome.failures.map(({ name, where, said }) => `✖ ${name} (${where})\n${said}`),
    ...[...new Set(outcome.failures.flatMap(({ transcripts }) => transcripts))].map(
      (file) => `    transcript: ${file}\n`,
    ),
    `    all that it said: ${path.join(logs, logName(outcome.job.name))}\n`,
  ]);
  return `\nonce more, what failed:\n${pieces.join('')}\n`;
}

export function logName(job: string): string {
  return `${job.replace(/[^\w.-]+/g, '-')}.log`;
}

/** The last line, which CI reads. */
export function totalLine(outcomes: readonly Outcome[]): string {
  const sum = (what: 'passed' | 'failed') => outcomes.reduce((total, outcome) => total + outcome[what], 0);
  return `${sum('passed') + sum('failed') === 0 ? 'no test ran\n' : ''}${sum('passed')} passed, ${sum('failed')} failed\n`;
}
