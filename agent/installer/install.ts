/** Installing, from the first look at the disks to the restart: the table of contents of `node-agent install`. */
import { randomUUID } from 'node:crypto';
import type { Asker } from '../cli/confirm.ts';
import { AgentError } from '../errors.ts';
import { blockDevice, clock, programs } from '../host.ts';
import type { Paths } from '../paths.ts';
import { readInstallSettings } from '../seed/offers.ts';
import { chooseDisk } from './choose.ts';
import { assertChosenDisk } from './chosen-disk.ts';
import { DeviceFault } from './device.ts';
import { answer, begin, type Dialogue, type Scene } from './dialogue.ts';
import type { Disk } from './disks.ts';
import { freshFileSystemId, withFreshIds } from './fresh-ids.ts';
import { openImageFolder } from './image-folder.ts';
import { meterLine } from './progress.ts';
import { type DiskPrograms, devicesBehind, listDisks, lookAt } from './read-disks.ts';
import { doneScreen, refusalScreen } from './screens.ts';
import { type Moved, moveSeedTo } from './seed-move.ts';
import { type InstallSettings, parseInstallSettings } from './settings.ts';
import { finish, type InstallImage, type Phase, placeOn, writeContents } from './write.ts';

interface InstallOptions {
  /** The folder with `install.json`. */
  readonly source: string;
  /** What the live system runs from: paths of devices. */
  readonly medium: readonly string[];
  readonly paths: Paths;
  readonly say: (line: string) => void;
  /** A line that replaces the one before it. */
  readonly sayProgress: (line: string) => void;
  readonly asker: Asker;
  readonly signal?: AbortSignal | undefined;
  /** Loop devices are disks, and nothing else is: for tests. */
  readonly loops?: readonly string[] | undefined;
}

export interface Installed {
  readonly disk: Pick<Disk, 'path' | 'model' | 'serial' | 'size'>;
  readonly name: string;
  readonly seed: Moved;
  readonly after: InstallSettings['after'];
}

/** @throws AgentError `install.*`; undefined when the person at the console left */
export async function install(options: InstallOptions): Promise<Installed | undefined> {
  const { settings, ignored } = await readSettings(options.paths);
  for (const line of ignored) options.say(`ignored in the seed: ${line}`);
  const image = await openImageFolder(options.source);
  try {
    const { name } = image.forSector(512);
    const disk = await settleDisk(options, settings, name);
    if (disk === undefined) return undefined;
    const seed = await asAgentError(() => writeSystem(options, disk, image.forSector(disk.logicalSector)));
    for (const line of doneScreen(disk, seed, settings.after)) options.say(line);
    for (const line of seed.refused) options.say(`ignored in the seed: ${line}`);
    const { path: device, model, serial, size } = disk;
    return { disk: { path: device, model, serial, size }, name, seed, after: settings.after };
  } finally {
    await image.close();
  }
}

async function writeSystem(options: InstallOptions, disk: Disk, built: InstallImage): Promise<Moved> {
  const image = withFreshIds(built, randomUUID);
  const shown = { signal: options.signal, ...meters(options) };
  // One descriptor from the first look to the last sector: while it is open, no other disk takes the name.
  const written = await openDisk(disk, true);
  let moved: Moved;
  try {
    await assertChosenDisk(disks, disk, written, { loops: options.loops !== undefined });
    await writeContents(written, image, shown);
    moved = await moveSeed(options, disk, image);
    await finish(written, image, shown);
  } finally {
    await written.close();
  }
  // For whoever looks at the disk before the restart; what uses the disk already keeps the old table, which is fine.
  await programs.run(['blockdev', '--rereadpt', disk.path]);
  return moved;
}

async function moveSeed(options: InstallOptions, disk: Disk, image: InstallImage): Promise<Moved> {
  const root = placeOn(image, disk).at(-1);
  if (root === undefined) throw new Error('the image has no partitions');
  const report = { version: 1, name: image.name, disk: disk.path, at: clock.wallClock().toISOString() };
  options.sayProgress('Moving the seed');
  await freshFileSystemId(disk.path, root);
  return await moveSeedTo(disk.path, root, options.paths, `${JSON.stringify(report, undefined, 2)}\n`);
}

async function settleDisk(
  options: InstallOptions,
  settings: InstallSettings,
  name: string,
): Promise<Disk | undefined> {
  for (;;) {
    const scene = await look(options, settings, name);
    let now: Dialogue = begin(scene);
    while (now.at === 'pick' || now.at === 'confirm') {
      for (const line of now.show) options.say(line);
      if (!options.asker.isInteractive()) throw noDisk(scene);
      now = answer(scene, now, await options.asker.askLine(now.ask));
      options.signal?.throwIfAborted();
    }
    if (now.at === 'go') {
      for (const line of now.show) options.say(line);
      return now.disk;
    }
    if (now.at === 'leave') {
      if (settings.unattended) throw noDisk(scene);
      return undefined;
    }
  }
}

async function look(
  { medium, loops }: InstallOptions,
  settings: InstallSettings,
  name: string,
): Promise<Scene> {
  const listed = await listDisks(disks, { loops: loops !== undefined });
  const wanted = listed.filter((disk) => loops === undefined || loops.includes(disk.path));
  const looked = await Promise.all(
    wanted.map((disk) => (disk.uses.length > 0 ? disk : asAgentError(() => lookAt(disks, disk)))),
  );
  const { path: said } = settings.disk;
  const resolved = said === undefined ? {} : { [said]: await realPath(said) };
  const surroundings = { medium: await devicesBehind(disks, medium), resolved };
  return { choice: chooseDisk(looked, settings, surroundings), settings, surroundings, name };
}

const disks: DiskPrograms = {
  run: (argv) => programs.runOk(argv, { timeoutMs: 60_000, outputBytes: 16 * 1024 * 1024 }),
  open: (disk) => openDisk(disk, false),
};

function openDisk({ path: device, size, logicalSector: sector }: Disk, writable: boolean) {
  return blockDevice.openBlockDevice(device, { size, sector, writable });
}

async function realPath(device: string): Promise<string> {
  const { code, stdout } = await programs.run(['readlink', '--canonicalize', device]);
  return code === 0 ? stdout.trim() : device;
}

async function readSettings(
  paths: Paths,
): Promise<{ readonly settings: InstallSettings; readonly ignored: readonly string[] }> {
  const { file, bytes, ignored } = await readInstallSettings(paths);
  const read = parseInstallSettings(file, bytes ?? '');
  if ('settings' in read) return { settings: read.settings, ignored };
  throw new AgentError({
    code: 'install.settings',
    exit: 'usage',
    message: 'the seed says things about installing that are not understood; nothing was done',
    evidence: read.mistakes.join('\n'),
    fix: 'correct clusteros/install.yaml on the seed, and start again',
  });
}

const TITLES: Readonly<Record<Phase, string>> = {
  prepare: 'Preparing   ',
  write: 'Writing     ',
  verify: 'Reading back',
  finish: 'Finishing   ',
};

function meters({ sayProgress }: InstallOptions) {
  let meter = { title: '', total: 0, done: 0, startMs: 0, nowMs: 0 };
  return {
    onPhase: (phase: Phase, total: number) => {
      const nowMs = clock.monotonicMs();
      meter = { title: TITLES[phase], total, done: 0, startMs: nowMs, nowMs };
      sayProgress(total === 0 ? meter.title.trim() : meterLine(meter));
    },
    onBytes: (count: number) => {
      meter = { ...meter, done: meter.done + count, nowMs: clock.monotonicMs() };
      sayProgress(meterLine(meter));
    },
  };
}

function noDisk({ choice }: Scene): AgentError {
  const reasons = choice.judged.map(
    ({ disk, refusals }) => `${disk.path}: ${refusals.join('; ') || 'empty'}`,
  );
  return new AgentError({
    code: 'install.no-disk',
    exit: 'notDone',
    message: choice.reason ?? 'nobody is there to confirm, and the seed does not say unattended: true',
    evidence: [...reasons, ...(choice.reason === undefined ? [] : refusalScreen(choice))].join('\n'),
    fix: choice.fix ?? 'put unattended: true into clusteros/install.yaml on the seed',
  });
}

async function asAgentError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DeviceFault)) throw error;
    throw new AgentError({
      code: `install.${error.kind}`,
      exit: 'storage',
      message: error.message,
      fix: error.fix,
      cause: error,
    });
  }
}
