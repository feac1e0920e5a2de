/** Loop devices as sticks, and small images of the target usb. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import type { BlockRange } from '../../../agent/installer/block-map.ts';
import { makeTable } from '../../../agent/installer/gpt.ts';
import { writeBmap } from '../bmap.ts';

const MIB = 1024 * 1024;

/** Reason to skip a test that needs root, loop devices and these programs; false when all is there. */
export function needsLoops(...programs: string[]): { skip: string | false } {
  if (process.getuid?.() !== 0) return { skip: 'needs root' };
  const missing = ['losetup', ...programs].filter(
    (program) => spawnSync('/bin/sh', ['-c', 'command -v "$1"', 'sh', program]).status !== 0,
  );
  if (missing.length > 0) return { skip: `needs ${missing.join(', ')}` };
  return { skip: spawnSync('losetup', ['--find']).status === 0 ? false : 'needs loop devices' };
}

export function freshFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'flash-test.'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Stick {
  readonly path: string;
  readonly file: string;
  readonly size: number;
  readonly sector: number;
  /** As good as pulled out: it has no room any more, as the kernel says of a disk that has gone. */
  readonly pull: () => void;
}

/** A loop device over a file full of old data. */
export function plugIn(t: TestContext, folder: string, size: number, sector = 512): Stick {
  const file = path.join(folder, `stick-${randomBytes(4).toString('hex')}`);
  writeFileSync(file, Buffer.alloc(size, 0x5a));
  const argv = ['--find', '--show', '--sector-size', String(sector), file];
  const device = execFileSync('losetup', argv, { encoding: 'utf8' }).trim();
  t.after(() => {
    spawnSync('losetup', ['--detach', device]);
  });
  return {
    path: device,
    file,
    size,
    sector,
    pull: () => {
      truncateSync(file, 0);
      execFileSync('losetup', ['--set-capacity', device]);
    },
  };
}

interface ImageFiles {
  readonly bytes: Buffer;
  readonly raw: string;
  readonly zst: string;
  readonly bmap: string;
}

/** A GPT with some data, and a CIDATA volume of FAT when asked for. */
export function usbImage(
  folder: string,
  size: number,
  options: { readonly cidata?: boolean } = {},
): ImageFiles {
  const bytes = Buffer.alloc(size);
  const uuid = (digit: string) => `${digit.repeat(8)}-1111-4111-8111-${digit.repeat(12)}`;
  const type = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7';
  const { primary, backup } = makeTable({ size, sector: 512, uuid: uuid('a') }, [
    { name: 'live', type, uuid: uuid('b'), offset: MIB, length: 4 * MIB },
    { name: 'seed', type, uuid: uuid('c'), offset: 5 * MIB, length: 4 * MIB },
  ]);
  primary.copy(bytes, 0);
  backup.bytes.copy(bytes, backup.offset);
  randomBytes(3 * MIB).copy(bytes, MIB);
  if (options.cidata === true) {
    const volume = path.join(folder, 'volume');
    execFileSync('mkfs.vfat', ['-C', '-n', 'CIDATA', '--invariant', volume, '4096']);
    execFileSync('cp', [volume, `${volume}.copy`]);
    const fat = execFileSync('cat', [volume], { maxBuffer: 8 * MIB });
    fat.copy(bytes, 5 * MIB);
  }
  const raw = path.join(folder, 'live.img');
  writeFileSync(raw, bytes);
  writeFileSync(`${raw}.zst`, zstdCompressSync(bytes));
  const bmap = `${raw}.bmap`;
  writeFileSync(bmap, writeBmap({ size, ranges: rangesOf(bytes) }));
  return { bytes, raw, zst: `${raw}.zst`, bmap };
}

/** Blocks that are not zeros, neighbours together. */
export function rangesOf(bytes: Buffer): BlockRange[] {
  const found: { offset: number; length: number }[] = [];
  for (let offset = 0; offset < bytes.length; offset += 4096) {
    const block = bytes.subarray(offset, offset + 4096);
    if (block.every((byte) => byte === 0)) continue;
    const last = found.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += block.length;
    else found.push({ offset, length: block.length });
  }
  return found.map(({ offset, length }) => ({
    offset,
    length,
    sha256: createHash('sha256')
      .update(bytes.subarray(offset, offset + length))
      .digest('hex'),
  }));
}
