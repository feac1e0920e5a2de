/** `clusteros-build flash` against dd of the same image, each to a loop device of its own. */
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { clock, run } from '../build/host.ts';
import { cli } from '../test/images.ts';

const SECTOR = 512;

export interface Writing {
  /** All that the program did: `flash` reads back too. */
  readonly seconds: number;
  /** What reached the device, as the kernel counted it. */
  readonly bytes: number;
}

interface FlashFigures {
  readonly flash: Writing;
  readonly dd: Writing;
  /** dd, and then cmp of the device with the image: what `flash` does in one command. */
  readonly ddAndCmpSeconds: number;
}

/**
 * @param image an artifact of the target usb, its block map beside it
 * @throws Error when the device does not hold the image afterwards, byte for byte; without root or loop devices
 */
export async function flashFigures(image: string, folder: string): Promise<FlashFigures> {
  const raw = path.join(folder, 'flash.raw');
  await run(['zstd', '--decompress', '--quiet', '--force', '--sparse', image, '-o', raw]);
  const { size } = statSync(raw);
  const same = (device: string) => ['cmp', `--bytes=${size}`, raw, device];
  const flash = await onDevice(folder, size, async (device) => {
    const written = await measured(device, cli('flash', '--allow-loop', device, image));
    // The device was empty, so that what the block map leaves out is zeros there as in the image.
    await run(same(device));
    return written;
  });
  const { cmpSeconds, ...dd } = await onDevice(folder, size, async (device) => {
    const argv = ['dd', `if=${raw}`, `of=${device}`, 'bs=4M', 'conv=fsync', 'status=none'];
    const written = await measured(device, argv);
    return { ...written, cmpSeconds: (await measured(device, same(device))).seconds };
  });
  rmSync(raw);
  return { flash, dd, ddAndCmpSeconds: dd.seconds + cmpSeconds };
}

async function onDevice<T>(folder: string, size: number, work: (device: string) => Promise<T>): Promise<T> {
  const disk = path.join(folder, 'flash.disk');
  writeFileSync(disk, '');
  truncateSync(disk, size);
  const device = (await run(['losetup', '--find', '--show', disk])).stdout.trim();
  try {
    return await work(device);
  } finally {
    await run(['losetup', '--detach', device]);
    rmSync(disk);
  }
}

async function measured(device: string, argv: readonly string[]): Promise<Writing> {
  const before = bytesWrittenTo(device);
  const startMs = clock.monotonicMs();
  await run(argv);
  const seconds = (clock.monotonicMs() - startMs) / 1000;
  return { seconds, bytes: bytesWrittenTo(device) - before };
}

/** Source: Linux, Documentation/block/stat.rst: the seventh field is sectors written. */
function bytesWrittenTo(device: string): number {
  const fields = readFileSync(`/sys/block/${path.basename(device)}/stat`, 'utf8')
    .trim()
    .split(/\s+/);
  return Number(fields[6]) * SECTOR;
}
