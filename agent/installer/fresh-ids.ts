/**
 * Ids of their own for an installed disk. An image has the same ones on every disk, made from its inputs; two disks of
 * one image in one machine could take each other's file systems for their own. The boot loader and /etc/fstab name none
 * of them.
 */
import { programs } from '../host.ts';
import type { Partition } from './gpt.ts';
import type { InstallImage } from './write.ts';

/** On the root of an image until its disk has ids of its own: a disk that was not installed gets them when it starts. */
export const IMAGE_IDS_MARK = '/etc/clusteros/image-ids';

/** The image with other ids for the disk and its partitions. @param uuid makes one that was never seen before */
export function withFreshIds(image: InstallImage, uuid: () => string): InstallImage {
  const partitions = image.partitions.map((partition) => ({ ...partition, uuid: uuid() }));
  return { ...image, uuid: uuid(), partitions };
}

/**
 * Give the root file system, which is not mounted, another UUID. Its checksums do not depend on it (csum_seed), so
 * that only superblocks are written.
 *
 * @param disk that the caller holds open
 */
export async function freshFileSystemId(disk: string, root: Partition): Promise<void> {
  const options = ['--offset', String(root.offset), '--sizelimit', String(root.length)];
  const loop = (await programs.runOk(['losetup', '--find', '--show', ...options, disk])).trim();
  try {
    await programs.runOk(['tune2fs', '-U', 'random', loop], { timeoutMs: 120_000 });
  } finally {
    await programs.runOk(['losetup', '--detach', loop]);
  }
}
