/** What has to be done at least for an artifact: by the tools that everybody has, from the same bytes. */
import { existsSync, rmSync } from 'node:fs';
import * as path from 'node:path';
import { SQUASHFS_OPTIONS } from '../build/assemble/live/squashfs.ts';
import type { Target } from '../build/definition/plan.ts';
import { run } from '../build/host.ts';

interface Floor {
  /** What is done. */
  readonly words: string;
  /** Makes it anew, and has it on the disk. @returns its file */
  readonly make: () => Promise<string>;
  /** The digests without which the artifact is none: those of SHA256SUMS, and a container's layer has one more. */
  readonly digest: () => Promise<void>;
}

const SQUASHFS = ['-noappend', '-quiet', '-no-progress', ...SQUASHFS_OPTIONS];

/**
 * @param image an artifact of ours, whose content is unpacked beforehand
 * @param folder for what is unpacked and made
 */
export async function floorOf(target: Target, image: string, folder: string): Promise<Floor> {
  const at = (name: string) => path.join(folder, name);
  const making = (
    words: string,
    made: string,
    commands: readonly (readonly string[])[],
    between?: string,
  ): Floor => ({
    words,
    make: async () => {
      rmSync(made, { force: true });
      for (const argv of commands) await run(argv);
      // Ours is on the disk when the command ends: so is theirs.
      await run(['sync', made]);
      // Else the disk would still write it while ours is measured.
      if (between !== undefined) rmSync(between);
      return made;
    },
    // sha256sum takes three times as long where its distribution built it without OpenSSL.
    digest: async () => {
      const passes = target === 'docker' ? 2 : 1;
      for (let pass = 0; pass < passes; pass++) await run(['openssl', 'dgst', '-sha256', made]);
    },
  });
  switch (target) {
    case 'qcow2': {
      const raw = at('disk.raw');
      await run(['qemu-img', 'convert', '-O', 'raw', image, raw]);
      const zstd = ['-c', '-O', 'qcow2', '-o', 'compression_type=zstd'];
      const made = at('floor.qcow2');
      return making('qemu-img from a raw disk', made, [['qemu-img', 'convert', ...zstd, raw, made]]);
    }
    case 'docker': {
      const tree = at('tree');
      const layer = at('layer.tar');
      await run(['mkdir', tree]);
      await run(['tar', '--extract', '--file', image, '--directory', folder, 'layer.tar']);
      await run(['tar', '--extract', '--xattrs', '--file', layer, '--directory', tree]);
      const pax = ['--create', '--format=pax', '--xattrs', '--sort=name', '--numeric-owner'];
      const made = at('floor.tar');
      return making('tar of the tree', made, [['tar', ...pax, '--file', made, '--directory', tree, '.']]);
    }
    case 'usb': {
      const tree = await liveTree(image, folder);
      const squashfs = at('floor-usb.squashfs');
      const made = at('floor.img.zst');
      return making(
        'mksquashfs of the tree, zstd -1',
        made,
        [
          ['mksquashfs', tree, squashfs, ...SQUASHFS],
          ['zstd', '-1', '--quiet', '--force', squashfs, '-o', made],
        ],
        squashfs,
      );
    }
    case 'iso': {
      const tree = await liveTree(image, folder);
      const squashfs = at('floor-iso.squashfs');
      const made = at('floor.iso');
      const graft = ['-graft-points', `/live/system.squashfs=${squashfs}`, `/live/boot=${tree}/boot`];
      return making(
        'mksquashfs of the tree, xorriso',
        made,
        [
          ['mksquashfs', tree, squashfs, ...SQUASHFS],
          ['xorriso', '-as', 'mkisofs', '-quiet', '-r', '-o', made, ...graft],
        ],
        squashfs,
      );
    }
  }
}

/** The files of the system on a live medium, as root has them. Both media carry the same. */
async function liveTree(image: string, folder: string): Promise<string> {
  const tree = path.join(folder, 'live-tree');
  if (existsSync(tree)) return tree;
  const place = path.join(folder, 'live');
  const squashfs = path.join(folder, 'live.squashfs');
  if (image.endsWith('.iso')) {
    const extract = ['-extract', '/live/system.squashfs', squashfs];
    await run(['xorriso', '-osirrox', 'on', '-indev', image, ...extract]);
  } else {
    const raw = path.join(folder, 'live.raw');
    await run(['zstd', '--decompress', '--quiet', '--force', '--sparse', image, '-o', raw]);
    const { stdout } = await run(['sfdisk', '--json', raw]);
    const { partitions } = JSON.parse(stdout).partitiontable as {
      partitions: { start: number; name: string }[];
    };
    const start = partitions.find(({ name }) => name === 'live')?.start ?? 0;
    await run(['dd', `if=${raw}`, `of=${squashfs}`, 'bs=1M', `skip=${start / 2048}`, 'status=none']);
    rmSync(raw);
  }
  await run(['unsquashfs', '-quiet', '-no-progress', '-dest', place, squashfs]);
  await run(['mkdir', tree]);
  await run(['debugfs', '-R', `rdump / ${tree}`, path.join(place, 'install', 'root.ext4')]);
  rmSync(place, { recursive: true });
  rmSync(squashfs);
  return tree;
}
