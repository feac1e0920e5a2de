/** What a live medium is made of, in small: a system of a few files, and something in place of kernel and GRUB. */
import { createHash } from 'node:crypto';
import { planOf } from '../../rootfs/testing/archive.ts';
import { diskIdentifiers } from '../disk/identifiers.ts';
import type { AssembleOptions } from '../targets.ts';
import type { Tree } from '../tree/node.ts';
import { EPOCH, file, folder, symlink } from './images.ts';

/** Bytes that no program can make smaller, the same for the same name. */
export function chance(name: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let index = 0; index * 32 < length; index++) {
    parts.push(createHash('sha256').update(`${name}/${index}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

const TREE: Tree = new Map([
  ['', folder()],
  ['sbin', symlink('usr/sbin')],
  ['etc', folder()],
  ['etc/fstab', file('UUID=x / ext4 defaults 0 1\n')],
  ['usr', folder()],
  ['usr/sbin', folder()],
  ['usr/sbin/init', file(chance('init', 3_000_000))],
]);

function bootImage(): Buffer {
  const boot = chance('boot.img', 512);
  boot.writeUInt16LE(0xaa55, 510);
  return boot;
}

const BOOT: Readonly<Record<string, Buffer>> = {
  '/vmlinuz': chance('kernel', 700_000),
  '/initrd.img': chance('initrd', 900_000),
  '/usr/lib/grub/i386-pc/boot.img': bootImage(),
  '/usr/lib/grub/i386-pc/boot_hybrid.img': bootImage(),
  '/boot/grub/i386-pc/core.img': chance('core', 50_000),
  '/usr/lib/clusteros/boot/usb.img': chance('usb', 60_000),
  '/usr/lib/clusteros/boot/cd.img': chance('cd', 60_000),
};

export function liveOptions(workFolder: string, target: 'usb' | 'iso'): AssembleOptions {
  const plan = planOf('http://mirror.example/debian', {}, { targets: [target] });
  const efi = Object.values(plan.base.secureBoot).filter((name) => name.startsWith('/'));
  const read = (name: string) => {
    const bytes = BOOT[name] ?? (efi.includes(name) ? chance(name, 100_000) : undefined);
    return bytes === undefined ? Promise.reject(new Error(`no ${name}`)) : Promise.resolve(bytes);
  };
  return {
    plan,
    root: { tree: TREE, packages: [], read },
    ids: diskIdentifiers('a system'),
    epoch: EPOCH,
    workFolder,
    signal: new AbortController().signal,
  };
}
