import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type BlockDevice, DeviceFault, type FaultKind } from '../../agent/installer/device.ts';
import type { Disk } from '../../agent/installer/disks.ts';
import { bytesText, meterLine } from '../../agent/installer/progress.ts';
import { listDisks } from '../../agent/installer/read-disks.ts';
import { type ExitName, OperatorError } from '../errors.ts';
import { assertFlashable, deviceTable, type FlashRules, refusals } from '../flash/devices.ts';
import { flash } from '../flash/flash.ts';
import { assertSeedExists, putSeed } from '../flash/seed-onto.ts';
import { openSource } from '../flash/source.ts';
import { blockDevice, clock, files, run } from '../host.ts';
import { lineProgress, type Progress, silentProgress, terminalProgress } from '../progress.ts';
import type { Context, Register } from './context.ts';

interface FlashFlags {
  readonly seed?: string;
  readonly forceSerial?: string;
  /** A file, or false for --no-bmap. */
  readonly bmap?: string | false;
  readonly allowLoop?: boolean;
}

export const registerFlash: Register = (program, context) => {
  program
    .command('flash [device] [image]')
    .description('write an image to a stick and read it back; without a device, list the sticks')
    .option('--seed <path>', 'put this seed on the stick: a folder, or a volume made by seed')
    .option('--force-serial <serial>', 'flash the device of this serial though it is not removable')
    .option('--bmap <file>', 'the block map (default: the one beside the image)')
    .option('--no-bmap', 'write every byte')
    .option('--allow-loop', 'loop devices are devices too')
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build flash
  sudo npx clusteros-build flash /dev/sdb dist/clusteros-debian-13-amd64-usb/clusteros.img.zst --seed seed.img

Everything on the device is lost. A device that is mounted or that this system runs from is always refused.
`,
    )
    .action((device: string | undefined, image: string | undefined, flags: FlashFlags) =>
      runFlash(context, device, image, flags),
    );
};

async function runFlash(
  context: Context,
  device: string | undefined,
  image: string | undefined,
  flags: FlashFlags,
): Promise<void> {
  const rules: FlashRules = flags;
  const lsblk = { run: async (argv: readonly string[]) => (await run(argv)).stdout };
  const disks = await listDisks(lsblk, { loops: flags.allowLoop === true });
  if (device === undefined) return list(context, disks, rules);
  if (image === undefined) {
    throw new OperatorError({
      code: 'usage',
      message: 'which image?',
      fix: `npx clusteros-build flash ${device} <image.img.zst>`,
    });
  }
  const disk = assertFlashable(disks, device, rules);
  if (flags.seed !== undefined) await assertSeedExists(flags.seed);
  const started = clock.monotonicMs();
  const result = await write(context, disk, image, flags).catch((error: unknown) => {
    throw error instanceof DeviceFault ? asOperatorError(error) : error;
  });
  const seconds = (clock.monotonicMs() - started) / 1000;
  const document = { device, ...result, seconds: Math.round(seconds * 10) / 10, verified: true };
  context.answer(document, () =>
    [
      `${device} holds ${path.basename(image)}: ${bytesText(result.bytesWritten)} of ${bytesText(result.imageBytes)} written and read back in ${seconds.toFixed(1)} s.`,
      ...(result.seed === null ? [] : [`The seed is on it: ${result.seed.join(', ')}.`]),
      'It can be pulled out.',
    ].join('\n'),
  );
}

function list(context: Context, disks: readonly Disk[], rules: FlashRules): void {
  const usable = disks.filter((disk) => refusals(disk, rules).length === 0);
  const document = disks.map((disk) => ({
    device: disk.path,
    size: disk.size,
    model: disk.model ?? null,
    serial: disk.serial ?? null,
    transport: disk.transport ?? null,
    refused: refusals(disk, rules),
  }));
  context.answer({ devices: document }, () =>
    usable.length === 0
      ? `There is no removable device. Plug one in. The others:\n\n${deviceTable(disks, rules)}`
      : `${deviceTable(usable, rules)}\n\nFlash one: npx clusteros-build flash ${usable[0]?.path} <image>`,
  );
}

async function write(context: Context, disk: Disk, image: string, flags: FlashFlags) {
  const named = flags.bmap === undefined ? undefined : flags.bmap;
  const source = await openSource(image, named);
  const work = await files.makeWorkFolder(tmpdir(), 'clusteros-flash');
  let device: BlockDevice | undefined;
  try {
    const { size, logicalSector: sector, path: name } = disk;
    device = await blockDevice.openBlockDevice(name, { size, sector, writable: true });
    if (source.bmap === undefined)
      context.note('clusteros: no block map beside the image: every byte is written');
    let seed: string[] | null = null;
    const { seed: from } = flags;
    const amend =
      from === undefined
        ? undefined
        : async (opened: BlockDevice, start: Buffer) => {
            seed = await putSeed(opened, start, from, work);
          };
    const shown = showing(context);
    const written = await flash(device, source, {
      signal: context.signal,
      amend,
      ...shown.callbacks,
    }).finally(shown.end);
    return {
      imageBytes: source.map.size,
      bytesWritten: written,
      bmap: source.bmap ?? null,
      seed: seed as string[] | null,
    };
  } finally {
    await source.close();
    await device?.close();
    await files.remove(work);
  }
}

/** The phases as steps of a progress view, which wants a promise for each. */
function showing(context: Context) {
  const progress: Progress = context.globals().json
    ? silentProgress
    : process.stderr.isTTY
      ? terminalProgress()
      : lineProgress(context.note);
  let end = () => {};
  let tell: (text: string) => void = () => {};
  let meter = { title: '', total: 0, done: 0, startMs: 0, nowMs: 0 };
  return {
    end: () => end(),
    callbacks: {
      onPhase: (title: string, total: number) => {
        end();
        const startMs = clock.monotonicMs();
        meter = { title: '', total, done: 0, startMs, nowMs: startMs };
        void progress.step(title, (report) => {
          tell = report;
          return new Promise<void>((resolve) => {
            end = resolve;
          });
        });
      },
      onBytes: (count: number) => {
        meter = { ...meter, done: meter.done + count, nowMs: clock.monotonicMs() };
        tell(meterLine(meter).trim());
      },
    },
  };
}

const EXITS: Readonly<Partial<Record<FaultKind, ExitName>>> = {
  busy: 'usage',
  denied: 'usage',
  'too-small': 'usage',
};

function asOperatorError(fault: DeviceFault): OperatorError {
  return new OperatorError({
    code: `flash.${fault.kind}`,
    exit: EXITS[fault.kind] ?? 'storage',
    message: fault.message,
    fix: fault.fix,
    cause: fault,
  });
}
