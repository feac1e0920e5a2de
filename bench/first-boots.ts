/**
 * `npm run bench:boot -- [IMAGE...]`: the first boot of today's image, from power on to `ready`, beside those of other
 * images, such as an earlier commit's. They take turns, so that all see the same weather; the processor time of the
 * emulator hardly depends on it.
 *
 *     git worktree add ../before COMMIT && (cd ../before && npm run image -- --base debian-13)
 *     npm run bench:boot -- ../before/dist/clusteros-debian-13-amd64/clusteros-debian-13-amd64.qcow2
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import * as path from 'node:path';
import { testImage } from '../test/images.ts';
import { median, table, verdict } from './figures.ts';
import { type FirstBoot, firstBoot } from './first-boot.ts';

const ROUNDS = Number(process.env.CLUSTEROS_BENCH_ROUNDS ?? 3);
/** Of the first image that is named. */
const AIM = 0.55;

const folder = mkdtempSync(path.join(process.env.CLUSTEROS_BENCH_FOLDER ?? tmpdir(), 'cos-boots-'));
try {
  await bench(process.argv.slice(2).map((image) => path.resolve(image)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(others: readonly string[]): Promise<void> {
  const images = [...others, (await testImage('debian-13')).image];
  const boots = images.map((): FirstBoot[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, image] of images.entries()) {
      const work = path.join(folder, `${round}-${index}`);
      mkdirSync(work, { mode: 0o700 });
      const figures = await firstBoot(image, work);
      boots[index]?.push(figures);
      say(
        `${image}: ${Object.entries(figures)
          .map(([what, seconds]) => `${what} ${seconds.toFixed(1)}`)
          .join(', ')}`,
      );
    }
  }
  const of = (index: number, what: keyof FirstBoot) => median((boots[index] ?? []).map((boot) => boot[what]));
  const rows = images.map((image, index) => [
    index === images.length - 1 ? 'today' : image,
    ...(['ready', 'cpu', 'running'] as const).map((what) => of(index, what).toFixed(1)),
    (of(index, 'ready') / of(0, 'ready')).toFixed(2),
    (of(index, 'cpu') / of(0, 'cpu')).toFixed(2),
  ]);
  const head = [
    'first boot',
    'power to ready, s',
    'of which processor, s',
    'kernel to running, s',
    'ratio',
    'of processor',
  ];
  say(`\n${table([head, ...rows])}`);
  const last = images.length - 1;
  if (last > 0) say(`aim ${AIM}: ${verdict(of(last, 'ready') / of(0, 'ready') <= AIM)}`);
  say(
    `load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}, median of ${ROUNDS}`,
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
