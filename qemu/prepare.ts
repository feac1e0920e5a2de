import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { OperatorError } from '../build/errors.ts';
import { files, run } from '../build/host.ts';
import type { DiskSpec, FirmwareKind, FlashFiles } from './argv.ts';
import { chooseFirmware, DESCRIPTOR_FOLDERS } from './firmware.ts';

/**
 * A disk that starts as the image and is written beside it: the image itself is never changed.
 *
 * @param bytes size of the disk, at least that of the image; the image's own unless given
 */
export async function makeOverlay(image: string, overlay: string, bytes?: number): Promise<void> {
  if (!(await files.exists(image))) {
    throw new OperatorError({
      code: 'image.missing',
      exit: 'missing',
      message: `there is no image ${image}`,
      fix: 'run: npx clusteros-build image',
    });
  }
  const absolute = path.resolve(image);
  const format = await imageFormat(absolute);
  const size = bytes === undefined ? [] : [String(bytes)];
  await run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', format, '-b', absolute, overlay, ...size]);
}

async function imageFormat(image: string): Promise<'qcow2' | 'raw'> {
  const handle = await files.openFile(image, 'r');
  try {
    const magic = Buffer.alloc(4);
    await handle.read(magic, 0, 4, 0);
    return magic.toString('latin1') === 'QFI\xfb' ? 'qcow2' : 'raw';
  } finally {
    await handle.close();
  }
}

/**
 * The flash chips for a machine: the firmware of the host, and a copy of its variables in `folder`.
 * An existing copy is kept: it is the machine's.
 *
 * @returns undefined for BIOS
 * @throws OperatorError `firmware.missing`
 */
export async function prepareFlash(kind: FirmwareKind, folder: string): Promise<FlashFiles | undefined> {
  if (kind === 'bios') return undefined;
  const chosen = chooseFirmware(kind, await readDescriptors());
  if (chosen === undefined) {
    throw new OperatorError({
      code: 'firmware.missing',
      exit: 'missing',
      message: `no ${kind === 'secureboot' ? 'Secure Boot' : 'UEFI'} firmware for QEMU was found`,
      evidence: `looked for descriptors in ${DESCRIPTOR_FOLDERS.join(' and ')}`,
      fix: 'run: npx clusteros-build doctor --fix (the package is ovmf)',
    });
  }
  const vars = path.join(folder, 'firmware-vars.fd');
  if (!(await files.exists(vars))) await files.writeAtomic(vars, await files.readBytes(chosen.varsTemplate));
  return { code: chosen.code, vars, smm: chosen.smm };
}

async function readDescriptors(): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const folder of DESCRIPTOR_FOLDERS) {
    for (const name of await files.listFolder(folder)) {
      if (name.endsWith('.json')) found.push(JSON.parse(await files.readText(path.join(folder, name))));
    }
  }
  return found;
}

/** The seed as a second disk: read-only, so that two machines may share one file. */
export function seedDisk(file: string): DiskSpec {
  return { file: path.resolve(file), format: 'raw', bus: 'virtio', readonly: true, serial: 'clusteros-seed' };
}

/** An address that stays the same for the same machine and card, in QEMU's own range 52:54:00. */
export function macOf(machine: string, index: number): string {
  const digest = createHash('sha256').update(`${machine}/${index}`).digest();
  return [
    '52',
    '54',
    '00',
    ...[...digest.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0')),
  ].join(':');
}
