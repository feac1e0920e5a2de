/**
 * `npm test`: one schedule for every file. Each says what it needs of processors and memory, the longest begin first,
 * and whatever fits beside those that run is started: cluster scenarios in network namespaces wait more than they
 * compute, and fill the time of virtual machines. A file that hangs is ended and has failed. The last line is
 * `N passed, N failed`.
 */
import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, freemem, tmpdir } from 'node:os';
import * as path from 'node:path';
import { collect, collectNamed, type TestFile } from './collect.ts';
import { parseCommand, USAGE } from './command.ts';
import { deepList, renderDeepList } from './depth-list.ts';
import { endLine, failureLines, logName, skipLines, startLine, timeTable, totalLine } from './report.ts';
import { type Outcome, runJob } from './run-job.ts';
import { IMAGES, type Job, jobsOf, nextJob } from './schedule.ts';
import { keepSeen, overBudget, readBudget, readSeen, takeUsage, timesOf, writeBudget } from './times.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
/** For what each job said. */
const LOGS = {
  whole: path.join(ROOT, '.cache', 'test-logs'),
  named: path.join(ROOT, '.cache', 'test-logs-named'),
};
const MINUTE_MS = 60_000;
/** Far above what a file takes: one that goes on so long hangs. Whoever names files or wants all has patience. */
const LIMIT_MINUTES = 40;
/** Programs that run beside each other wait for disks and for each other: a processor serves a little more. */
const SERVES = 1.4;
const IMAGES_JOB: Job = {
  ...{ name: IMAGES, files: ['test/runner/images.test.ts'], seconds: 120 },
  // Alone: the next job, three emulated machines, would have to wait for whatever started beside this one.
  ...{ cpu: 3, memoryMiB: 4096, images: false },
};

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  const command = parseCommand(words);
  if ('unknown' in command) {
    process.stderr.write(`clusteros: unknown test argument "${command.unknown}"\n${USAGE}`);
    return 2;
  }
  const budget = readBudget(ROOT);
  if (command.list) {
    const whole = collect(ROOT, ['packer']).map(({ file }) => file);
    process.stdout.write(renderDeepList(deepList(ROOT, whole, budget), budget));
    return 0;
  }
  const named = command.files.length > 0;
  const files = named ? collectNamed(ROOT, command.files) : collect(ROOT, command.kinds);
  process.env.CLUSTEROS_SEED ??= String(randomInt(2 ** 31));
  if (command.all) process.env.CLUSTEROS_DEPTH = 'all';
  process.stdout.write(`${files.length} files; CLUSTEROS_SEED=${process.env.CLUSTEROS_SEED}\n`);

  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(stop, signal));
  const usage = mkdtempSync(path.join(tmpdir(), 'cos-test-usage-'));
  const patient = named || command.all;
  const outcomes = await runAll(jobsFor(files, named, budget), {
    root: ROOT,
    signal: stop.signal,
    usage,
    limitMs: patient ? Infinity : LIMIT_MINUTES * MINUTE_MS,
    namePatterns: command.namePatterns.length > 0 ? command.namePatterns : undefined,
    logs: named ? LOGS.named : LOGS.whole,
    verbose: named,
  });

  const times = timesOf(outcomes);
  const whole = !named && command.namePatterns.length === 0 && !stop.signal.aborted;
  if (whole) keepSeen(times);
  if (whole && command.record) writeBudget(ROOT, times);
  const cpu = new Map(
    [...takeUsage(usage, ROOT)].map(([last, seconds]) => [
      outcomes.find(({ job }) => job.files.at(-1) === last)?.job.name ?? last,
      seconds,
    ]),
  );
  const over = command.budget ? overBudget(times, budget) : [];
  if (!named) process.stdout.write(timeTable(outcomes, budget, cpu));
  for (const line of [...skipLines(outcomes), ...over]) process.stdout.write(`${line}\n`);
  process.stdout.write(`${failureLines(outcomes, named ? LOGS.named : LOGS.whole)}${totalLine(outcomes)}`);
  if (stop.signal.aborted) return exitOf(stop.signal.reason);
  const passed = outcomes.some((outcome) => outcome.passed > 0);
  return !passed || over.length > 0 || outcomes.some(({ failed }) => failed > 0) ? 1 : 0;
}

/** First the tests are ended, which clear up what they made; the second time their processes are, and what hangs on them. */
function end(stop: AbortController, signal: 'SIGINT' | 'SIGTERM'): void {
  if (!stop.signal.aborted) {
    process.stderr.write('clusteros: ending the tests, which clear up; again to end at once\n');
    stop.abort(signal);
    return;
  }
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  for (const pid of children === '' ? [] : children.split(' ')) process.kill(Number(pid), 'SIGKILL');
  process.exit(exitOf(signal));
}

function exitOf(signal: unknown): number {
  return signal === 'SIGTERM' ? 143 : 130;
}

/** Files that somebody named run one after the other, in their order. */
function jobsFor(
  files: readonly TestFile[],
  named: boolean,
  budget: Readonly<Record<string, number>>,
): Job[] {
  const seen = readSeen();
  const secondsOf = (file: string) => seen[file] ?? budget[file];
  if (!named) return jobsOf(files, secondsOf, IMAGES_JOB);
  return files.map(({ file }) => ({
    ...{ name: file, files: [file], seconds: 0 },
    ...{ cpu: Infinity, memoryMiB: 0, images: false },
  }));
}

interface RunAll extends Omit<Parameters<typeof runJob>[1], 'root'> {
  readonly root: string;
  /** Folder for what each job said; emptied first. */
  readonly logs: string;
  /** Print all that a job says, and not only what a failed one said. */
  readonly verbose: boolean;
}

async function runAll(jobs: readonly Job[], options: RunAll): Promise<Outcome[]> {
  const capacity = { cpu: availableParallelism() * SERVES, memoryMiB: (freemem() / 2 ** 20) * 0.9 };
  const waiting = [...jobs];
  const running = new Map<Job, Promise<void>>();
  const outcomes: Outcome[] = [];
  let imagesMade = !waiting.some(({ name }) => name === IMAGES);
  rmSync(options.logs, { recursive: true, force: true });
  mkdirSync(options.logs, { recursive: true });
  const begin = async (job: Job) => {
    if (!options.verbose) process.stdout.write(startLine(job));
    const outcome = await runJob(job, options);
    outcomes.push(outcome);
    writeFileSync(path.join(options.logs, logName(job.name)), outcome.text);
    if (options.verbose || outcome.failed > 0) process.stdout.write(outcome.text);
    if (!options.verbose) process.stdout.write(endLine(outcome));
    if (job.name === IMAGES) imagesMade = true;
    running.delete(job);
  };
  while (waiting.length > 0 || running.size > 0) {
    const next = options.signal.aborted
      ? undefined
      : nextJob(waiting, [...running.keys()], capacity, imagesMade);
    if (next !== undefined) {
      waiting.splice(waiting.indexOf(next), 1);
      running.set(next, begin(next));
    } else if (running.size > 0) await Promise.race(running.values());
    else break;
  }
  return outcomes;
}
