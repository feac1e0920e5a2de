/** Disks that somebody used before: what an installer must not write to unasked. */
import { files, run } from '../../build/host.ts';
import type { DiskSpec } from '../../qemu/argv.ts';
import { blankDisk, type DiskOptions } from './machines.ts';
import { lvmLabel, type Piece, raidMember } from './signatures.ts';

const MIB = 1024 * 1024;

type UsedFor = 'data' | 'lvm' | 'raid';

export async function usedDisk(folder: string, options: DiskOptions, what: UsedFor): Promise<DiskSpec> {
  const disk = await blankDisk(folder, options);
  if (what === 'lvm') await put(disk.file, lvmLabel());
  else if (what === 'raid') await put(disk.file, raidMember(options.size ?? 10e9));
  else await fillWithData(disk.file);
  return disk;
}

/** A partition table and a file system in its first partition. */
async function fillWithData(file: string): Promise<void> {
  await run(['sfdisk', '--quiet', file], { input: 'label: gpt\nstart=2048, size=131072, name=data\n' });
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'photos', '-E', `offset=${MIB}`, file, '64M']);
}

async function put(file: string, { offset, bytes }: Piece): Promise<void> {
  const handle = await files.openFile(file, 'r+');
  await handle.write(bytes, 0, bytes.length, offset).finally(() => handle.close());
}
