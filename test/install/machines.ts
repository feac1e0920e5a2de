/** Machines to install: with a medium and disks as a test wants them, and the installer's console as text. */
import * as path from 'node:path';
import { files, run } from '../../build/host.ts';
import type { DiskSpec, FirmwareKind } from '../../qemu/argv.ts';
import type { Machine } from '../../qemu/machine.ts';
import { makeNode } from '../nodes.ts';

const GB = 1e9;

/** Emulated, the medium takes a minute or two to start, and as long again on a busy host. */
export const LIVE_LIMIT_MS = 15 * 60_000;
/** Reading, writing and reading back the system. */
export const INSTALL_LIMIT_MS = 30 * 60_000;

export interface DiskOptions {
  readonly name: string;
  /** Bytes; 10 GB unless told. */
  readonly size?: number;
  readonly bus?: DiskSpec['bus'];
  readonly serial?: string;
}

/** A disk of zeros, sparse. */
export async function blankDisk(
  folder: string,
  { name, size = 10 * GB, bus = 'nvme', serial = name }: DiskOptions,
) {
  const file = path.join(folder, `${name}.raw`);
  await run(['truncate', '--size', String(Math.floor(size / 4096) * 4096), file]);
  return { file, format: 'raw', bus, readonly: false, serial } as const satisfies DiskSpec;
}

interface InstallMachineOptions {
  readonly name: string;
  readonly folder: string;
  readonly firmware: FirmwareKind;
  /** In the order in which they are plugged in. The first with a boot index starts. */
  readonly disks: readonly DiskSpec[];
  /** A second drive with a seed. */
  readonly seed?: string | undefined;
  /** A place on an Ethernet with others; without it the machine is alone. */
  readonly lan?: { readonly socket: string } | undefined;
  /** For drives that are plugged in later, see hot-plug.ts. */
  readonly hotPlaces?: number;
}

/** A machine that is off. Another one over the same folder has the same firmware variables. The caller disposes it. */
export async function installMachine(options: InstallMachineOptions): Promise<Machine> {
  const { name, folder, firmware, disks, seed, lan, hotPlaces } = options;
  await files.makeFolder(folder, 0o700);
  return await makeNode({
    name,
    folder,
    firmware,
    seed,
    moreDisks: disks,
    hotPlaces,
    memoryMiB: 1536,
    network: [
      { kind: 'user', isolated: true, guestPorts: [] },
      ...(lan === undefined ? [] : [{ kind: 'switch', socket: lan.socket } as const]),
    ],
  });
}

/** The same machine without its medium: it starts from the disk that was installed to. */
export function installedMachine(
  options: Omit<InstallMachineOptions, 'disks'> & { readonly disk: DiskSpec },
): Promise<Machine> {
  const { disk, ...more } = options;
  return installMachine({ ...more, disks: [{ ...disk, bootIndex: 0 }] });
}

/** Start, and wait until the installer says on the serial console what was waited for. */
export async function waitForInstaller(
  machine: Machine,
  pattern: RegExp,
  options: { readonly deadlineMs?: number; readonly from?: number } = {},
): Promise<RegExpExecArray> {
  if (!machine.running) await machine.start();
  return await machine.waitForConsole(pattern, { deadlineMs: LIVE_LIMIT_MS, ...options });
}
