/**
 * `npm run bench:targets`: each target from a cached root file system, with the floor beside it: what the usual tools
 * take to put the same bytes into the same form; and `flash` beside dd. All in one run on one machine; the ratios
 * count, and the load of the machine says how far.
 *
 * What is held against the floor is the target's own stage: from the cached tree to the artifact, its digests and what
 * lies beside it, on the disk. The command has to start, ask the archive for its state and look at its caches too. The
 * floor counts twice: what the tools take, and with the digests without which the artifact would be none.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import * as path from 'node:path';
import { TARGETS, type Target } from '../build/definition/plan.ts';
import { clock, run } from '../build/host.ts';
import { cacheEnvironment, cli, eventsIn, lastEvent, ROOT, type TestImage } from '../test/images.ts';
import { median, table, verdict } from './figures.ts';
import { flashFigures } from './flash-figures.ts';
import { floorOf } from './target-floors.ts';

const ROUNDS = 3;
const AIM = { target: 1.3, flash: 0.5 };

const folder = mkdtempSync(path.join(process.env.CLUSTEROS_BENCH_FOLDER ?? tmpdir(), 'cos-targets-'));
try {
  await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  sayLoad();
  const head = [
    'target',
    'stage, s',
    'floor, s',
    'ratio',
    'with digests, s',
    'ratio (aim 1.3)',
    'MiB',
    'floor, MiB',
  ];
  const rows = [[...head, 'command, s', 'floor']];
  const made = new Map<Target, TestImage>();
  for (const target of TARGETS) {
    say(`${target} ...`);
    const { image, row } = await figuresOf(target);
    made.set(target, image);
    rows.push(row);
    say(row.join(' | '));
  }
  const together: Times[] = [];
  for (let round = 0; round < ROUNDS; round++) together.push(await buildTimes(TARGETS));
  const [stages, command] = [
    median(together.map((times) => times.stage)),
    median(together.map((times) => times.command)),
  ];
  rows.push(['all four at once', stages.toFixed(1), '', '', '', '', '', '', command.toFixed(1), '']);
  say(`\n${table(rows)}`);
  await flashTable(made.get('usb')?.image ?? '');
  sayLoad();
}

async function figuresOf(target: Target): Promise<{ image: TestImage; row: string[] }> {
  const image = (await build([target], path.join('kept', target))).result;
  const place = path.join(folder, `floor-${target === 'iso' ? 'usb' : target}`);
  const { words, make, digest } = await floorOf(target, image.image, makeFolder(place));
  const ours: Times[] = [];
  const theirs: number[] = [];
  const digested: number[] = [];
  let floorFile = '';
  // In turns: what else the machine does meets both.
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await buildTimes([target]));
    const startMs = clock.monotonicMs();
    floorFile = await make();
    theirs.push((clock.monotonicMs() - startMs) / 1000);
    await digest();
    digested.push((clock.monotonicMs() - startMs) / 1000);
  }
  const stage = median(ours.map((times) => times.stage));
  const floor = median(theirs);
  const whole = median(digested);
  const row = [
    target,
    stage.toFixed(1),
    floor.toFixed(1),
    (stage / floor).toFixed(2),
    whole.toFixed(1),
    `${(stage / whole).toFixed(2)}: ${verdict(stage <= AIM.target * whole)}`,
    mib(statSync(image.image).size),
    mib(statSync(floorFile).size),
    median(ours.map((times) => times.command)).toFixed(1),
    words,
  ];
  // The tree of the live media serves both of them.
  if (target !== 'usb') rmSync(place, { recursive: true });
  return { image, row };
}

async function flashTable(image: string): Promise<void> {
  say('flash ...');
  const { flash, dd, ddAndCmpSeconds } = await flashFigures(image, folder);
  const share = flash.bytes / dd.bytes;
  const rows = [
    ['onto a loop device', 'MiB written', 'share (aim 0.5)', 's'],
    [
      'clusteros-build flash, read back',
      mib(flash.bytes),
      `${share.toFixed(2)}: ${verdict(share <= AIM.flash)}`,
      flash.seconds.toFixed(1),
    ],
    ['dd', mib(dd.bytes), '1', dd.seconds.toFixed(1)],
    ['dd, and cmp', mib(dd.bytes), '1', ddAndCmpSeconds.toFixed(1)],
  ];
  say(`\n${table(rows)}`);
}

/** Seconds. */
interface Times {
  readonly command: number;
  /** Of the stages of all targets. */
  readonly stage: number;
}

/** A build that finds the tree in the cache, and nothing in its place. */
async function buildTimes(targets: readonly Target[]): Promise<Times> {
  const { times } = await build(targets, 'anew');
  rmSync(path.join(folder, 'anew'), { recursive: true });
  return times;
}

async function build(targets: readonly Target[], name: string): Promise<{ result: TestImage; times: Times }> {
  const output = path.join(folder, name);
  const argv = cli(
    'image',
    '--json',
    '--base',
    'debian-13',
    '--target',
    targets.join(','),
    '--output',
    output,
  );
  const startMs = clock.monotonicMs();
  const { stdout } = await run(argv, { cwd: ROOT, env: cacheEnvironment() });
  const command = (clock.monotonicMs() - startMs) / 1000;
  const stages = eventsIn(stdout).filter(
    ({ event, stage }) => event === 'finished' && String(stage).startsWith('image '),
  );
  const stage = stages.reduce((sum, { seconds }) => sum + Number(seconds), 0);
  return { result: lastEvent(stdout), times: { command, stage } };
}

function makeFolder(place: string): string {
  mkdirSync(place, { recursive: true });
  return place;
}

function sayLoad(): void {
  const words = loadavg().map((load) => load.toFixed(1));
  say(`load of the machine, 1, 5 and 15 minutes: ${words.join(', ')}; ${availableParallelism()} processors`);
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
