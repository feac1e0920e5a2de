/**
 * `npm run bench:targets`: each target from a cached root file system, with the floor beside it: what the usual tools
 * take to put the same bytes into the same form; and `flash` beside dd. All in one run on one machine; the ratios
 * count, and the load of the machine says how far.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import * as path from 'node:path';
import { TARGETS, type Target } from '../build/definition/plan.ts';
import { clock } from '../build/host.ts';
import { buildWithCli, type TestImage } from '../test/images.ts';
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
    'command, s',
    'nothing to do, s',
    'floor, s',
    'ratio (aim 1.3)',
    'MiB',
    'floor, MiB',
  ];
  const rows = [[...head, 'floor']];
  const made = new Map<Target, TestImage>();
  for (const target of TARGETS) {
    say(`${target} ...`);
    const { image, row } = await figuresOf(target);
    made.set(target, image);
    rows.push(row);
    say(row.join(' | '));
  }
  const all = await rounds(() => buildSeconds(TARGETS));
  rows.push(['all four at once', all.toFixed(1), '', '', '', '', '', '']);
  say(`\n${table(rows)}`);
  await flashTable(made.get('usb')?.image ?? '');
  sayLoad();
}

async function figuresOf(target: Target): Promise<{ image: TestImage; row: string[] }> {
  const kept = path.join('kept', target);
  const image = await build([target], kept);
  // What every command costs before it makes anything: start, definition, the archive's state, digests.
  const idle = await rounds(() => seconds(() => build([target], kept)));
  const place = path.join(folder, `floor-${target === 'iso' ? 'usb' : target}`);
  const { words, make } = await floorOf(target, image.image, makeFolder(place));
  const ours: number[] = [];
  const theirs: number[] = [];
  let floorFile = '';
  // In turns: what else the machine does meets both.
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await buildSeconds([target]));
    theirs.push(
      await seconds(async () => {
        floorFile = await make();
      }),
    );
  }
  const [command, floor] = [median(ours), median(theirs)];
  const row = [
    target,
    command.toFixed(1),
    idle.toFixed(1),
    floor.toFixed(1),
    `${(command / floor).toFixed(2)}: ${verdict(command <= AIM.target * floor)}`,
    mib(statSync(image.image).size),
    mib(statSync(floorFile).size),
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

function build(targets: readonly Target[], name: string): Promise<TestImage> {
  const output = path.join(folder, name);
  return buildWithCli({ output, args: ['--base', 'debian-13', '--target', targets.join(',')] });
}

/** Seconds of a build that finds the tree in the cache, and nothing in its place. */
async function buildSeconds(targets: readonly Target[]): Promise<number> {
  const took = await seconds(() => build(targets, 'anew'));
  rmSync(path.join(folder, 'anew'), { recursive: true });
  return took;
}

async function rounds(timed: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await timed());
  return median(times);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = clock.monotonicMs();
  await work();
  return (clock.monotonicMs() - startMs) / 1000;
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
