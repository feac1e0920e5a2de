/** A small system to install, as the live medium carries one, and loop devices to install it to. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import type { InstallFile } from '../image-folder.ts';
import { smallImage } from './images.ts';

const MIB = 1024 * 1024;

/** The folder of `install.json`: 64 MiB of ext4, a FAT, and something in place of GRUB. */
export function liveFolder(parent: string): string {
  const folder = path.join(parent, 'install');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'core.img'), randomBytes(40_960));
  const file = (name: string) => path.join(folder, name);
  execFileSync('mkfs.ext4', ['-q', '-F', '-L', 'root', file('root.ext4'), '64M']);
  execFileSync('mkfs.vfat', ['-C', '-n', 'ESP', file('esp.img'), '16384']);
  execFileSync('mkfs.vfat', ['-C', '-n', 'ESP', '-S', '4096', file('esp4096.img'), '16384']);
  const content = (name: string) => ({ file: name, map: mapOf(readFileSync(file(name))) });
  const [bios, esp, root] = smallImage().partitions;
  if (bios === undefined || esp === undefined || root === undefined) throw new Error('three partitions');
  const described: InstallFile = {
    version: 1,
    name: 'Cluster-OS (test)',
    uuid: smallImage().uuid,
    bootCode: Buffer.alloc(440, 0xeb).toString('base64'),
    partitions: [
      { ...bios, length: MIB, content: content('core.img') },
      {
        ...esp,
        length: 16 * MIB,
        content: content('esp.img'),
        content4096: content('esp4096.img'),
      },
      { ...root, offset: 18 * MIB, length: null, content: content('root.ext4') },
    ],
  };
  writeFileSync(file('install.json'), JSON.stringify(described));
  return folder;
}

export interface Loop {
  readonly path: string;
  readonly file: string;
}

/** What must be undone after a test, the last first. To be made before the folders that it is about. */
export type Undo = (undo: readonly [string, ...string[]]) => void;

export function undoing(t: TestContext): Undo {
  const steps: (readonly [string, ...string[]])[] = [];
  t.after(() => {
    for (const [program, ...args] of steps.reverse()) spawnSync(program, args);
  });
  return (step) => void steps.push(step);
}

/** A sparse disk. */
export function loopDisk(undo: Undo, parent: string, size: number, sector = 512): Loop {
  const file = path.join(parent, `disk-${randomBytes(4).toString('hex')}`);
  const fd = openSync(file, 'w');
  ftruncateSync(fd, size);
  closeSync(fd);
  const argv = ['--find', '--show', '--sector-size', String(sector), file];
  const device = execFileSync('losetup', argv, { encoding: 'utf8' }).trim();
  undo(['losetup', '--detach', device]);
  return { path: device, file };
}

/** Runs of blocks that hold anything, at most a MiB each. */
function mapOf(bytes: Buffer) {
  const ranges: { offset: number; length: number; sha256: string }[] = [];
  for (let offset = 0; offset < bytes.length; offset += MIB) {
    const part = bytes.subarray(offset, offset + MIB);
    if (part.every((byte) => byte === 0)) continue;
    ranges.push({ offset, length: part.length, sha256: createHash('sha256').update(part).digest('hex') });
  }
  return { size: bytes.length, ranges };
}
