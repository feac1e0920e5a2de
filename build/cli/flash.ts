import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type BlockDevice, DeviceFault, type FaultKind } from '../../agent/installer/device.ts';
import type { Disk } from '../../agent/installer/disks.ts';
import { bytesText, meterLine } from '../../agent/installer/progress.ts';
import { listDisks, lookAt, lookAtOpened } from '../../agent/installer/read-disks.ts';
import { type ExitName, OperatorError } from '../errors.ts';
import {
  assertFlashable,
  assertMayWipe,
  deviceTable,
  type FlashRules,
  losses,
  proposed,
  refusals,
  wipeWord,
} from '../flash/devices.ts';
import { flash } from '../flash/flash.ts';
import { assertSeedExists, assertTakesSeed, putSeed } from '../flash/seed-onto.ts';
import { besides, openSource } from '../flash/source.ts';
import { blockDevice, clock, files, pasteable, places, run } from '../host.ts';
import { lineProgress, type Progress, silentProgress, terminalProgress } from '../progress.ts';
import { readPublicKey } from '../trust/sign-key.ts';
import { type Finding, folderOf, isSound, verifyFolder } from '../trust/verify.ts';
import type { Context, Register } from './context.ts';
import { findingLine } from './verify.ts';

interface FlashFlags {
  readonly seed?: string;
  readonly forceSerial?: string;
  readonly wipe?: string;
  readonly yes?: boolean;
  readonly key?: string;
  /** A file, or false for --no-bmap. */
  readonly bmap?: string | false;
  readonly allowLoop?: boolean;
}

/** A slow stick takes minutes to write what it was given. */
const STOP_MS = 600_000;

export const registerFlash: Register = (program, context) => {
  program
    .command('flash [device] [image]')
    .description('write an image to a stick and read it back; without a device, list the sticks')
    .option('--seed <path>', 'put this seed on the stick: a folder, or a volume made by seed')
    .option('--force-serial <serial>', 'flash the device of this serial though it is not removable')
    .option('--wipe <serial>', 'the device of this serial may lose what it holds')
    .option('--yes', 'ask nothing: an empty device only')
    .option('--key <file>', "the signer's public key: the image must be signed by it, unchanged")
    .option('--bmap <file>', 'the block map (default: the one beside the image)')
    .option('--no-bmap', 'write every byte')
    .option('--allow-loop', 'loop devices are devices too')
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build flash
  sudo npx clusteros-build flash /dev/sdb dist/clusteros-debian-13-amd64-usb/clusteros.img.zst --seed seed.img

Everything on the device is lost: what holds data needs its serial typed, or --wipe SERIAL. A device that is mounted or that this system runs from is always refused.
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
  const disks = await listDisks({ run: stdoutOf }, { loops: flags.allowLoop === true });
  if (device === undefined) return list(context, await Promise.all(disks.map(seen)), rules);
  if (image === undefined) {
    throw new OperatorError({
      code: 'usage',
      message: 'which image?',
      fix: `npx clusteros-build flash ${device} <image.img.zst>`,
    });
  }
  context.stopWithin(STOP_MS);
  const place = await resolved(device);
  const { kind } = await places.standingAt(place);
  const disk = assertFlashable(disks, place, rules, kind);
  if (flags.key !== undefined) await assertSigned(context, image, flags.key);
  if (flags.seed !== undefined) {
    await assertSeedExists(flags.seed);
    await assertTakesSeed(image);
  }
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

/** The device behind a link of /dev/disk/by-id, and a name without its folder. */
async function resolved(device: string): Promise<string> {
  const inDev = path.join('/dev', device);
  const isName = !device.includes('/') && ((await files.exists(inDev)) || !(await files.exists(device)));
  return await places.realPlace(isName ? inDev : device);
}

/** For the list: what cannot be opened, for want of rights, is as lsblk tells it. */
async function seen(disk: Disk): Promise<Disk> {
  const open = ({ path: name, size, logicalSector: sector }: Disk) =>
    blockDevice.openBlockDevice(name, { size, sector, writable: false });
  try {
    return await lookAt({ run: stdoutOf, open }, disk);
  } catch (error) {
    if (error instanceof DeviceFault || error instanceof OperatorError) return disk;
    throw error;
  }
}

async function stdoutOf(argv: readonly string[]): Promise<string> {
  return (await run(argv)).stdout;
}

/** @throws OperatorError `flash.untrusted` */
async function assertSigned(context: Context, image: string, given: string): Promise<void> {
  const key = await readPublicKey(given);
  const { folder, file } = await folderOf(image);
  const { findings: found } = await verifyFolder(folder, { file, key });
  // It says which bytes are written: whoever adds one leaves parts of an image out.
  const bmap = await besides(image);
  const isListed = ({ check, state, subject }: Finding) =>
    check === 'digest' && state === 'ok' && subject === path.basename(bmap ?? '');
  const findings: Finding[] =
    bmap === undefined || found.some(isListed)
      ? [...found]
      : [
          ...found,
          {
            subject: path.basename(bmap),
            check: 'signature',
            state: 'failed',
            detail: 'the block map is not among what was signed',
          },
        ];
  if (isSound(findings)) {
    const [signature] = findings.filter(({ check }) => check === 'signature');
    context.note(`clusteros: ${image} is ${signature?.detail}`);
    return;
  }
  throw new OperatorError({
    code: 'flash.untrusted',
    exit: 'untrusted',
    message: `${image} is not flashed: it is not what the key signed`,
    evidence: findings
      .filter(({ state }) => state === 'failed' || state === 'missing')
      .map(findingLine)
      .join('\n'),
    fix: 'fetch the folder again, with SHA256SUMS and SHA256SUMS.minisig, or name the right key',
  });
}

/** What the opened device holds goes only by its serial: by the flag, or typed at a terminal. */
async function assertLeave(context: Context, disk: Disk, rules: FlashRules): Promise<void> {
  const asks = process.stdin.isTTY && !context.globals().json && !rules.yes && rules.wipe === undefined;
  if (!asks || losses(disk).length === 0) return assertMayWipe(disk, rules);
  context.note(`${deviceTable([disk], rules)}\n`);
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const question = `All of it will be lost. Type ${wipeWord(disk)} to go on: `;
    assertMayWipe(disk, { wipe: (await ask.question(question, { signal: context.signal })).trim() });
  } finally {
    ask.close();
  }
}

function list(context: Context, disks: readonly Disk[], rules: FlashRules): void {
  const usable = disks.filter((disk) => refusals(disk, rules).length === 0);
  const document = disks.map((disk) => ({
    device: disk.path,
    size: disk.size,
    model: disk.model ?? null,
    serial: disk.serial ?? null,
    transport: disk.transport ?? null,
    contents: losses(disk),
    refused: refusals(disk, rules),
  }));
  const first = proposed(usable);
  context.answer({ devices: document, proposed: first?.path ?? null }, () => {
    if (usable.length === 0)
      return `There is no removable device. Plug one in. The others:\n\n${deviceTable(disks, rules)}`;
    const wipe =
      first !== undefined && losses(first).length > 0 ? ` ${pasteable(['--wipe', wipeWord(first)])}` : '';
    const next =
      first === undefined
        ? 'None is proposed: each is large and holds data. Plug in a stick.'
        : `Flash one: npx clusteros-build flash ${first.path} <image>${wipe}`;
    return `${deviceTable(usable, rules)}\n\n${next}`;
  });
}

async function write(context: Context, disk: Disk, image: string, flags: FlashFlags) {
  const named = flags.bmap === undefined ? undefined : flags.bmap;
  const source = await openSource(image, named);
  const work = await files.makeWorkFolder(tmpdir(), 'clusteros-flash');
  let device: BlockDevice | undefined;
  try {
    const { size, logicalSector: sector, path: name } = disk;
    device = await blockDevice.openBlockDevice(name, { size, sector, writable: true });
    // Through the descriptor that is then written: no other device can take its place.
    await assertLeave(context, await lookAtOpened({ run: stdoutOf }, disk, device), flags);
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
