/**
 * `npm run bench:targets`: each target from a cached root file system, with the floor beside it: what the usual tools
 * take to put the same bytes into the same form. All in one run on one machine; the ratios count.
 */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { SQUASHFS_OPTIONS } from '../build/assemble/live/squashfs.ts';
import { TARGETS, type Target } from '../build/definition/plan.ts';
import { clock, run } from '../build/host.ts';
import { buildWithCli } from '../test/images.ts';

const folder = mkdtempSync(path.join(process.env.CLUSTEROS_BENCH_FOLDER ?? tmpdir(), 'cos-targets-'));
const ROUNDS = 3;

interface Figure {
  readonly seconds: number;
  readonly bytes: number;
}

/** What has to be done at least, by the tools that everybody has, from an artifact of ours. */
const FLOORS: Readonly<Record<Target, (image: string) => Promise<Figure>>> = {
  /** qemu-img, from a raw disk that has been written already. */
  qcow2: async (image) => {
    const raw = path.join(folder, 'disk.raw');
    await run(['qemu-img', 'convert', '-O', 'raw', image, raw]);
    const made = path.join(folder, 'floor.qcow2');
    const zstd = ['-c', '-O', 'qcow2', '-o', 'compression_type=zstd'];
    return await timed(() => run(['qemu-img', 'convert', ...zstd, raw, made]), made);
  },
  /** GNU tar of the layer's tree, unpacked before. */
  docker: async (image) => {
    const tree = path.join(folder, 'tree');
    await run(['mkdir', tree]);
    await run(['tar', '--extract', '--file', image, '--directory', folder, 'layer.tar']);
    const layer = path.join(folder, 'layer.tar');
    await run(['tar', '--extract', '--xattrs', '--file', layer, '--directory', tree]);
    const made = path.join(folder, 'floor.tar');
    const pax = ['--create', '--format=pax', '--xattrs', '--sort=name', '--numeric-owner'];
    return await timed(() => run(['tar', ...pax, '--file', made, '--directory', tree, '.']), made);
  },
  /** mksquashfs of the tree that is installed, unpacked before, and zstd over it. */
  usb: async (image) => {
    const tree = await liveTree(image);
    const squashfs = path.join(folder, 'floor.squashfs');
    const made = path.join(folder, 'floor.img.zst');
    return await timed(async () => {
      await run(['mksquashfs', tree, squashfs, ...SQUASHFS]);
      await run(['zstd', '-1', '--quiet', '--force', squashfs, '-o', made]);
    }, made);
  },
  /** mksquashfs of the same tree, and xorriso. */
  iso: async (image) => {
    const tree = await liveTree(image);
    const squashfs = path.join(folder, 'floor.squashfs');
    const made = path.join(folder, 'floor.iso');
    const graft = ['-graft-points', `/live/system.squashfs=${squashfs}`, `/live/boot=${tree}/boot`];
    return await timed(async () => {
      await run(['mksquashfs', tree, squashfs, ...SQUASHFS]);
      await run(['xorriso', '-as', 'mkisofs', '-quiet', '-r', '-o', made, ...graft]);
    }, made);
  },
};

const SQUASHFS = ['-noappend', '-quiet', '-no-progress', ...SQUASHFS_OPTIONS];

/** The files of the system on a live medium, as root has them. */
async function liveTree(image: string): Promise<string> {
  const tree = path.join(folder, 'live-tree');
  if (existsSync(tree)) return tree;
  const place = path.join(folder, 'live');
  const squashfs = path.join(folder, 'live.squashfs');
  if (image.endsWith('.iso')) {
    await run(['xorriso', '-osirrox', 'on', '-indev', image, '-extract', '/live/system.squashfs', squashfs]);
  } else {
    const raw = path.join(folder, 'live.raw');
    await run(['zstd', '--decompress', '--quiet', '--force', image, '-o', raw]);
    const { stdout } = await run(['sfdisk', '--json', raw]);
    const { partitions } = JSON.parse(stdout).partitiontable as {
      partitions: { start: number; name: string }[];
    };
    const start = partitions.find(({ name }) => name === 'live')?.start ?? 0;
    await run(['dd', `if=${raw}`, `of=${squashfs}`, 'bs=1M', `skip=${start / 2048}`, 'status=none']);
  }
  await run(['unsquashfs', '-quiet', '-no-progress', '-dest', place, squashfs]);
  await run(['mkdir', tree]);
  await run(['debugfs', '-R', `rdump / ${tree}`, path.join(place, 'install', 'root.ext4')]);
  return tree;
}

try {
  await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  const build = (target: Target, name: string) =>
    buildWithCli({
      output: path.join(folder, name),
      args: ['--base', 'debian-13', '--target', target],
    });
  const rows: string[] = [];
  for (const target of TARGETS) {
    say(`warming: ${target}`);
    const warm = await build(target, `warm-${target}`);
    // What every command costs before it makes anything: start, definition, the archive's state, digests.
    const idle = await median(async () => void (await build(target, `warm-${target}`)));
    let round = 0;
    const made = await median(async () => {
      const name = `${target}-${round++}`;
      await build(target, name);
      rmSync(path.join(folder, name), { recursive: true, force: true });
    });
    const floor = await FLOORS[target](warm.image);
    const bytes = statSync(warm.image).size;
    rows.push(
      `| ${target} | ${made.toFixed(1)} | ${idle.toFixed(1)} | ${floor.seconds.toFixed(1)} | ${(made / floor.seconds).toFixed(2)} | ${mib(bytes)} | ${mib(floor.bytes)} |`,
    );
  }
  say('');
  say('| target | command, s | of which nothing to do, s | floor, s | ratio (aim 1.3) | MiB | floor, MiB |');
  say('|---|---|---|---|---|---|---|');
  for (const row of rows) say(row);
}

async function timed(work: () => Promise<unknown>, made: string): Promise<Figure> {
  const seconds = await median(async () => {
    rmSync(made, { force: true });
    await work();
    // Ours is on the disk when the command ends: so is theirs.
    await run(['sync', made]);
  });
  return { seconds, bytes: statSync(made).size };
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = clock.monotonicMs();
    await work();
    times.push((clock.monotonicMs() - start) / 1000);
  }
  times.sort((one, other) => one - other);
  return times[Math.floor(ROUNDS / 2)] ?? Number.NaN;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
