/** Which work starts next. Pure. */
import type { Needs, TestFile } from './collect.ts';

/** Files that run in one process, one after the other. */
export interface Job extends Needs {
  readonly name: string;
  readonly files: readonly string[];
  /** Of an earlier run; what is not known is taken for short. */
  readonly seconds: number;
}

interface Capacity {
  readonly cpu: number;
  readonly memoryMiB: number;
}

/** The name of the job that makes the images; those that need them wait for it. */
export const IMAGES = 'the images';
/** It fails soonest and tells most: types, format, layout. */
const FIRST = 'test/lint.test.ts';
/** A job that needs this much waits for others to end, and must not wait for ever. */
const LARGE_CPU = 2;
const GROUP_SECONDS = 20;
const UNKNOWN_SECONDS = 2;

/**
 * The jobs in the order in which they should start: what fails soonest, then the images that others wait for, then what
 * needs the whole machine, since later it would have to wait for all others, then the longest first. Quiet files share
 * processes of some {@link GROUP_SECONDS} seconds.
 */
export function jobsOf(
  files: readonly TestFile[],
  secondsOf: (file: string) => number | undefined,
  images: Job | undefined,
): Job[] {
  const seconds = (file: string) => secondsOf(file) ?? UNKNOWN_SECONDS;
  const alone = files
    .filter(({ quiet }) => !quiet)
    .map(({ file, cpu, memoryMiB, images: needsImages }) => ({
      ...{ name: file, files: [file], seconds: seconds(file) },
      ...{ cpu, memoryMiB, images: needsImages },
    }));
  const quiet = files.filter((each) => each.quiet).map(({ file }) => file);
  const made = images !== undefined && files.some((file) => file.images) ? [images] : [];
  const rank = ({ name, cpu }: Job) => (name === FIRST ? 0 : name === IMAGES ? 1 : cpu >= LARGE_CPU ? 2 : 3);
  return [...made, ...alone, ...groupsOf(quiet, seconds)].sort(
    (a, b) => rank(a) - rank(b) || b.seconds - a.seconds || a.name.localeCompare(b.name),
  );
}

function groupsOf(files: readonly string[], seconds: (file: string) => number): Job[] {
  const groups: string[][] = [];
  let [group, sum]: [string[], number] = [[], Infinity];
  for (const file of files) {
    if (sum + seconds(file) > GROUP_SECONDS) {
      [group, sum] = [[], 0];
      groups.push(group);
    }
    group.push(file);
    sum += seconds(file);
  }
  return groups.map((members, index) => ({
    name: `quiet units, ${index + 1} of ${groups.length}`,
    files: members,
    seconds: members.reduce((total, file) => total + seconds(file), 0),
    cpu: 1,
    memoryMiB: 500,
    images: false,
  }));
}

/**
 * The first job in order that fits beside those that run. One that is too large for the machine runs alone; while the
 * first one is large and does not fit, only what leaves room for it is started.
 *
 * @param imagesMade whether the images are there, made or failed
 * @returns undefined when nothing fits now
 */
export function nextJob(
  waiting: readonly Job[],
  running: readonly Job[],
  capacity: Capacity,
  imagesMade: boolean,
): Job | undefined {
  const used = (what: 'cpu' | 'memoryMiB') => running.reduce((total, job) => total + job[what], 0);
  const memoryMiB = capacity.memoryMiB - used('memoryMiB');
  const slack = 1e-9;
  const fits = (job: Job, cpu: number) =>
    (job.cpu <= cpu + slack && job.memoryMiB <= memoryMiB) || running.length === 0;
  const ready = waiting.filter((job) => imagesMade || !job.images);
  const [first] = ready;
  if (first === undefined) return undefined;
  const cpu = capacity.cpu - used('cpu');
  if (fits(first, cpu)) return first;
  const kept = first.cpu >= LARGE_CPU ? first.cpu : 0;
  return ready.find((job) => fits(job, cpu - kept));
}
