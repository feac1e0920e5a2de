/** The file system that a machine has as its root. */

import type { DiskIdentifiers } from './disk/identifiers.ts';
import { FileSystemFull } from './ext4/allocate.ts';
import { buildExt4 } from './ext4/build.ts';
import type { RootTree } from './root-tree.ts';
import type { DiskImage } from './segments.ts';

const MIB = 1024 * 1024;
/** One group of ext4: a file system grows by whole ones. */
const GROUP = 128 * MIB;
/** From here on ext4 gets a journal of 64 MiB; a disk has more than that anyway. */
const SMALLEST = 2048 * MIB;
/** What is free until the file system has grown to the disk, on its first start. */
const FREE = 256 * MIB;

interface RootFileSystemOptions {
  readonly root: RootTree;
  readonly ids: DiskIdentifiers;
  /** Seconds since 1970. */
  readonly epoch: number;
}

/** @param size bytes. @throws FileSystemFull when the system does not fit */
export function rootFileSystem({ root, ids, epoch }: RootFileSystemOptions, size: number): DiskImage {
  const uuid = Buffer.from(ids.rootFileSystem.replaceAll('-', ''), 'hex');
  return buildExt4(root.tree, { size, uuid, label: 'root', epoch });
}

/** As small as it may be: it grows with the disk that it is written to. */
export function smallestRootFileSystem(options: RootFileSystemOptions): DiskImage {
  const nodes = new Set(options.root.tree.values());
  const data = [...nodes].reduce((sum, { size }) => sum + Math.ceil(size / 4096) * 4096, 0);
  let size = Math.max(SMALLEST, Math.ceil((data * 1.03 + FREE) / GROUP) * GROUP);
  for (; ; size += GROUP) {
    try {
      return rootFileSystem(options, size);
    } catch (error) {
      // Many small files; but no disk is as large as this.
      if (!(error instanceof FileSystemFull) || size > 4 * data + SMALLEST) throw error;
    }
  }
}
