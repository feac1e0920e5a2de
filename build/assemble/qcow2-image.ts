/** The target qcow2: partition table, both boot chains and the root, compressed into one file. */
import { IMAGE_IDS_MARK } from '../../agent/installer/fresh-ids.ts';
import type { LayerFile } from '../../image-layers/layer.ts';
import type { Plan } from '../definition/plan.ts';
import { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import { biosBoot } from './disk/bios-boot.ts';
import { bootChain, makeEsp } from './disk/esp.ts';
import { GRUB_STUB, grubMenu } from './disk/grub-config.ts';
import { diskLayout, partitionTable } from './disk/partitions.ts';
import { writeQcow2 } from './disk/qcow2.ts';
import { FileSystemFull } from './ext4/allocate.ts';
import { rootFileSystem } from './root-file-system.ts';
import { type DiskImage, inOrder, shift } from './segments.ts';
import type { AssembleOptions } from './targets.ts';

/** zstd level: three quarters of the time of level 3, for 2 % more bytes. */
const LEVEL = 1;

export async function assembleQcow2(file: string, options: AssembleOptions): Promise<void> {
  const image = await diskImage(options);
  await files.withNewFile(file, 'wx', async (handle) => {
    await writeQcow2(handle, image, {
      level: LEVEL,
      signal: options.signal,
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    });
    await handle.sync();
  });
}

/** Files of a system on a disk. What `/` is mounted from is the kernel's word alone: no id stands here either. */
export function diskFiles(plan: Plan): LayerFile[] {
  const title = `Cluster-OS (${plan.base.name})`;
  return [
    {
      path: '/etc/fstab',
      mode: 0o644,
      text: '/dev/root / ext4 defaults,errors=remount-ro,x-systemd.growfs 0 1\n',
    },
    { path: IMAGE_IDS_MARK, mode: 0o644, text: 'The ids of this disk are those of its image.\n' },
    { path: '/boot/grub/clusteros.cfg', mode: 0o644, text: grubMenu({ title }) },
  ];
}

/** The whole disk as segments. */
export async function diskImage(options: AssembleOptions): Promise<DiskImage> {
  const { plan, root, ids, epoch, workFolder, signal } = options;
  const layout = diskLayout(plan.diskBytes);
  const table = await partitionTable(layout, ids, workFolder, signal);
  const chain = await bootChain(options, GRUB_STUB);
  const esp = await makeEsp(chain, {
    size: layout.esp.length,
    volume: ids.espVolume,
    epoch,
    workFolder,
    signal,
  });
  const boot = biosBoot(
    await root.read('/usr/lib/grub/i386-pc/boot.img'),
    await root.read('/boot/grub/i386-pc/core.img'),
    layout,
    table,
  );
  return inOrder(layout.size, [
    ...boot,
    ...shift(esp.segments, layout.esp.offset),
    ...shift(rootOfDisk(options, layout.root.length).segments, layout.root.offset),
  ]);
}

function rootOfDisk(options: AssembleOptions, size: number): DiskImage {
  try {
    return rootFileSystem(options, size);
  } catch (cause) {
    if (!(cause instanceof FileSystemFull)) throw cause;
    throw new OperatorError({
      code: 'disk.too-small',
      message: `the system does not fit on a disk of ${options.plan.diskBytes} bytes: ${cause.message}`,
      fix: 'raise disk.size in the definition',
      cause,
    });
  }
}
